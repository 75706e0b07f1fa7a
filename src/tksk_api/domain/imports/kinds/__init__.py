"""What may be imported, by name."""

from tksk_api.domain.imports.contract import Kind
from tksk_api.domain.imports.kinds.activities import ACTIVITIES
from tksk_api.domain.imports.kinds.beneficiaries import BENEFICIARIES
from tksk_api.domain.imports.kinds.decile_snapshots import DECILE_SNAPSHOTS
from tksk_api.domain.imports.kinds.families import FAMILIES
from tksk_api.domain.imports.kinds.partners import PARTNERS
from tksk_api.domain.imports.kinds.regions import REGIONS
from tksk_api.domain.imports.kinds.users import USERS
from tksk_api.domain.imports.kinds.visits import VISITS

_ALL = (BENEFICIARIES, FAMILIES, ACTIVITIES, VISITS, DECILE_SNAPSHOTS, PARTNERS, USERS, REGIONS)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
