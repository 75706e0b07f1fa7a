"""Tables of figures: sums by place and month, and what transactions have changed in them since (decision 0021).

Only triggers and the owner write them (migration 0029), so they are no mapped classes.
"""

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY

from tksk_api.database.tables import RegionText, Table

FIGURES = sa.Table(
    "figures",
    Table.metadata,
    sa.Column("cube", Text, primary_key=True),
    sa.Column("parent_code", RegionText, primary_key=True),
    sa.Column("region_code", RegionText, primary_key=True),
    sa.Column("month", sa.Date, primary_key=True),
    sa.Column("keys", ARRAY(Text), primary_key=True),
    sa.Column("sensitive", sa.Boolean, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
)
FIGURE_CHANGES = sa.Table(
    "figure_changes",
    Table.metadata,
    sa.Column("subject", Text, nullable=False),
    sa.Column("region_code", RegionText),
    sa.Column("month", sa.Date, nullable=False),
    sa.Column("keys", ARRAY(Text), nullable=False),
    sa.Column("sensitive", sa.Boolean, nullable=False),
    sa.Column("change", sa.SmallInteger, nullable=False),
)
