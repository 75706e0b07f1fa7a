"""Family card numbers: sealed under the family's own key, copied to each member under theirs."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import has_card, sealed_card
from tksk_api.domain.families.models import Family, FamilyCard
from tksk_api.domain.records import keyring_of
from tksk_api.domain.subject_keys.service import vault_of, vault_to_fill, vaults_of, vaults_to_fill
from tksk_api.errors import invalid
from tksk_api.security.crypto import Keyring

CARD = "family_cards.number"
_GIVE = text(
    "UPDATE beneficiaries SET family_card_cipher = given.sealed, family_card_index = :index, "
    "family_card_last4 = :last4 FROM unnest(:ids, :sealed) AS given (id, sealed) WHERE beneficiaries.id = given.id"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("sealed", type_=ARRAY(LargeBinary)))


def card_index(keyring: Keyring, number: str) -> bytes:
    """The blind index under which a family with this card is found."""
    return keyring.blind_index(CARD, number)


async def add_card(session: AsyncSession, family: Family, number: str, day: date, reason: str) -> None:
    """The card the family has from this day on; the one before ends the day before.

    Raises invalid_request (before_start) at /valid_from for a day that is not after the present card's first.
    """
    present = await _present(session, family)
    if present is not None:
        if day <= present.valid_from:
            raise invalid("/valid_from", "before_start")
        present.valid_until = day - timedelta(days=1)
        await session.flush()  # the place of the present card is unique
    vault, key = await vault_to_fill(session, family.id), new_id()
    session.add(
        FamilyCard(
            id=key,
            family_id=family.id,
            region_code=family.region_code,
            number_cipher=vault.seal(CARD, str(key), number.encode()),
            number_index=card_index(vault.keyring, number),
            number_last4=number[-4:],
            valid_from=day,
            reason=reason,
            created_by=principal_of(session).user_id,
        )
    )
    await session.flush()


async def present_number(session: AsyncSession, family: Family) -> str | None:
    """The full number of the family's card, to be given to a member; None where it has none."""
    card = await _present(session, family)
    if card is None or card.number_cipher is None:
        return None
    vault = await vault_of(session, family.id)
    return vault.open(CARD, str(card.id), bytes(card.number_cipher)).decode()


async def present_numbers(session: AsyncSession, families: Collection[UUID]) -> dict[UUID, str]:
    """The full numbers of the cards that these families have; whoever shows them leaves an access row that says so."""
    found = select(FamilyCard).where(
        col(FamilyCard.family_id).in_(families),
        col(FamilyCard.valid_until).is_(None),
        col(FamilyCard.number_cipher).is_not(None),
    )
    cards = (await session.execute(found)).scalars().all()
    vaults = await vaults_of(session, [card.family_id for card in cards])
    return {
        card.family_id: vaults[card.family_id].open(CARD, str(card.id), bytes(card.number_cipher or b"")).decode()
        for card in cards
    }


async def give_card(session: AsyncSession, people: Sequence[Beneficiary], number: str) -> None:
    """These people's own records carry the number, sealed under each one's key, as if they had shown the card.

    Two statements, however many they are. The caller holds their rows locked.
    """
    without = [person.id for person in people if not has_card(keyring_of(session), person, number)]
    if not without:
        return
    vaults = await vaults_to_fill(session, without)
    cards = [sealed_card(vaults[person], person, number) for person in without]
    given = {"ids": without, "sealed": [card.cipher for card in cards], "index": cards[0].blind_index}
    await (await session.connection()).execute(_GIVE, {**given, "last4": cards[0].last4})


async def _present(session: AsyncSession, family: Family) -> FamilyCard | None:
    found = select(FamilyCard).where(FamilyCard.family_id == family.id, col(FamilyCard.valid_until).is_(None))
    return (await session.execute(found)).scalars().first()
