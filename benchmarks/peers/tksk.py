"""The application as production makes it."""

from tksk_api.main import create_app
from tksk_api.settings import Settings

app = create_app(Settings())
