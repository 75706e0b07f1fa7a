"""Shapes of signing in and out."""

from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from tksk_api.domain.records import Body, Read

Password = Annotated[SecretStr, Field(min_length=1, max_length=128)]


class Login(Body):
    """A first-party session login (not an OAuth grant)."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=100), Field(examples=["tksk.panjang"])]
    password: Password
    otp: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None
    device_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] | None = None


class Refresh(Body):
    refresh_token: Annotated[str, StringConstraints(min_length=20, max_length=100)]


class TokenPair(Read):
    """Use the access token as `Authorization: Bearer`; each refresh token works once."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class PasswordChange(Body):
    current_password: Password
    new_password: Password
