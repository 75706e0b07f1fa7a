"""What may be imported, by name."""

from tksk_api.domain.imports.contract import Kind
from tksk_api.domain.imports.kinds.beneficiaries import BENEFICIARIES
from tksk_api.domain.imports.kinds.decile_snapshots import DECILE_SNAPSHOTS
from tksk_api.domain.imports.kinds.partners import PARTNERS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (BENEFICIARIES, DECILE_SNAPSHOTS, PARTNERS)}
