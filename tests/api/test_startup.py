"""What a server has done before it takes the first request."""

import gc

from sqlalchemy import inspect

from tksk_api.domain.activities.models import Activity


def test_no_request_pays_for_making_the_mappers_ready_nor_for_going_through_the_application(app):
    """Seen to stop every request: 0.7 s at the first write, and time and again in large answers."""
    assert app.state.house
    assert inspect(Activity).configured
    assert gc.get_freeze_count() > 100_000
