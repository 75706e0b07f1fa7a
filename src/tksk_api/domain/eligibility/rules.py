"""The language that programmes' rules are written in: a few named tests on what is known of a person, and `any_of`.

A test holds, does not hold, or cannot be told from what is known; then somebody has to find out. Rules are data
(domain/programs/versions.toml, PUT programs/{code}); nothing of them is ever executed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Literal

from tksk_api.domain.references.lists import label
from tksk_api.errors import Language

Verdict = Literal["met", "not_met", "unknown"]
Outcome = Literal["eligible", "not_eligible", "needs_assessment"]
Rule = Mapping[str, Any]
_OUTCOMES: Mapping[Verdict, Outcome] = {
    "met": "eligible",
    "not_met": "not_eligible",
    "unknown": "needs_assessment",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the register knows of a person on a day, and what whoever asks has answered; None is what nobody knows.

    `decile` is of the family's last snapshot; `has_snapshot` tells a family that DTSEN lists without a decile from one
    it does not list. `finding` and `income` are of the last completed visit within a year. `family_receives` are
    programmes that somebody of the family is enrolled in.
    """

    birth_date: date
    sex: str
    region_code: str
    has_nik: bool
    deceased_on: date | None = None
    has_snapshot: bool = False
    decile: int | None = None
    family_size: int | None = None
    finding: str | None = None
    income: int | None = None
    categories: frozenset[str] = frozenset()
    receives: frozenset[str] = frozenset()
    family_receives: frozenset[str] = frozenset()
    answers: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))


_YES_NO: Mapping[Language, tuple[str, str]] = {"id": ("tidak", "ya"), "en": ("no", "yes")}  # by false, true


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule holds, does not hold or cannot be told; `question` is the one to answer, of eligibility_questions."""

    code: str
    verdict: Verdict
    source: str
    question: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)

    def detail(self, language: Language) -> str:
        """The reason in words: what was found, or what has to be found out."""
        indonesian, english = REASONS[self.code]
        values = dict(self.values)
        if self.question is not None:
            values["question"] = label("eligibility_questions", self.question, language)
        if "answer" in values:
            values["answer"] = _YES_NO[language][bool(values["answer"])]
        for name, code_list in (("programs", "programs"), ("categories", "ppks_categories")):
            if name in values:
                values[name] = ", ".join(label(code_list, code, language) for code in values[name])  # type: ignore[attr-defined]
        return (english if language == "en" else indonesian).format(**values)


@dataclass(frozen=True, slots=True)
class Advice:
    """What the rules say of a person, with the reasons that decide it. Advice only: the agency decides (API §5)."""

    outcome: Outcome
    reasons: tuple[Reason, ...]


def evaluate(rules: Sequence[Rule], facts: Facts, day: date) -> Advice:
    """All rules must hold. What decides is told: the ones that fail, else those that cannot be told, else all."""
    if facts.deceased_on is not None and facts.deceased_on <= day:
        return Advice("not_eligible", (Reason("deceased", "not_met", "Permensos 3/2026 Pasal 12"),))
    if not rules:
        return Advice(
            "needs_assessment", (Reason("no_rules", "unknown", "Belum ada aturan tercatat / no rules on record"),)
        )
    verdict, reasons = _all_of([_judge(rule, facts, day) for rule in rules])
    return Advice(_OUTCOMES[verdict], reasons)


def holds(rule: Rule, facts: Facts, day: date) -> Verdict:
    """The verdict of a single rule."""
    return _judge(rule, facts, day)[0]


def needed_documents(documents: Sequence[Rule], facts: Facts, day: date) -> list[tuple[str, ...]]:
    """What has to go along, each as the kinds of which one is enough.

    A document with `when` is needed when that test holds, one with `unless` when that test does not hold or cannot be
    told.
    """
    return [
        tuple(document["kinds"])
        for document in documents
        if (document.get("when") is None or holds(document["when"], facts, day) == "met")
        and (document.get("unless") is None or holds(document["unless"], facts, day) != "met")
    ]


def missing_documents(needed: Sequence[Collection[str]], given: Collection[str]) -> list[str]:
    """Of the documents needed those that are not there; several kinds of which one is enough by "/"."""
    return ["/".join(kinds) for kinds in needed if not set(kinds) & set(given)]


def age_on(birth_date: date, day: date) -> int:
    """Completed years; who was born on 29 February turns on 1 March."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


_Judged = tuple[Verdict, tuple[Reason, ...]]


def _all_of(judged: Sequence[_Judged]) -> _Judged:
    return _decided(judged, ("not_met", "unknown", "met"))


def _any_of(judged: Sequence[_Judged]) -> _Judged:
    return _decided(judged, ("met", "unknown", "not_met"))


def _decided(judged: Sequence[_Judged], order: Sequence[Verdict]) -> _Judged:
    """The first verdict of the order that somebody gave, and the reasons of all who gave it (Kleene's logic)."""
    verdict = next(verdict for verdict in order if any(verdict == given for given, _ in judged))
    return verdict, tuple(reason for given, reasons in judged if given == verdict for reason in reasons)


def _judge(rule: Rule, facts: Facts, day: date) -> _Judged:
    if rule["test"] == "any_of":
        return _any_of([_judge(one, facts, day) for one in rule["of"]])
    reason = TESTS[rule["test"]](rule, facts, day)
    return reason.verdict, (reason,)


def _reason(rule: Rule, verdict: Verdict, code: str, **values: object) -> Reason:
    return Reason(code, verdict, rule["source"], rule.get("question"), values)


def _age_between(rule: Rule, facts: Facts, day: date) -> Reason:
    age = age_on(facts.birth_date, day)
    fits = (rule.get("min") or 0) <= age <= (rule.get("max") or 200)
    bounds = {"min": rule.get("min") or 0, "max": rule.get("max") or "–"}
    return _reason(rule, "met" if fits else "not_met", "age_fits" if fits else "age_outside", age=age, **bounds)


def _sex_is(rule: Rule, facts: Facts, _day: date) -> Reason:
    fits = facts.sex == rule["sex"]
    return _reason(rule, "met" if fits else "not_met", "sex_fits" if fits else "sex_other")


def _has_nik(rule: Rule, facts: Facts, _day: date) -> Reason:
    return _reason(rule, "met", "nik_present") if facts.has_nik else _reason(rule, "not_met", "nik_missing")


def _listed_in_dtsen(rule: Rule, facts: Facts, _day: date) -> Reason:
    return _reason(rule, "met", "dtsen_listed") if facts.has_snapshot else _reason(rule, "unknown", "decile_unknown")


def _decile_at_most(rule: Rule, facts: Facts, _day: date) -> Reason:
    if not facts.has_snapshot:
        return _reason(rule, "unknown", "decile_unknown", max=rule["max"])
    if facts.decile is None:
        return _reason(rule, "unknown", "decile_undetermined", max=rule["max"])
    fits = facts.decile <= rule["max"]
    code = "decile_fits" if fits else "decile_too_high"
    return _reason(rule, "met" if fits else "not_met", code, max=rule["max"], decile=facts.decile)


def _ppks_any_of(rule: Rule, facts: Facts, _day: date) -> Reason:
    found = sorted(facts.categories & set(rule["categories"]))
    if found:
        return _reason(rule, "met", "category_fits", categories=found)
    if not facts.categories:
        return _reason(rule, "unknown", "category_unknown", categories=rule["categories"])
    return _reason(rule, "not_met", "category_other", categories=rule["categories"])


def _found_needy(rule: Rule, facts: Facts, _day: date) -> Reason:
    match facts.finding:
        case "eligible":
            return _reason(rule, "met", "found_needy")
        case "not_eligible":
            return _reason(rule, "not_met", "found_not_needy")
        case "needs_assessment":
            return _reason(rule, "unknown", "visit_inconclusive")
    return _reason(rule, "unknown", "not_visited")


def _receives_any_of(rule: Rule, facts: Facts, _day: date) -> Reason:
    found = sorted((facts.receives | facts.family_receives) & set(rule["programs"]))
    if found:
        return _reason(rule, "met", "receives", programs=found)
    return _reason(rule, "not_met", "receives_none", programs=rule["programs"])


def _receives_none_of(rule: Rule, facts: Facts, _day: date) -> Reason:
    found = sorted(facts.receives & set(rule["programs"]))
    if found:
        return _reason(rule, "not_met", "receives_already", programs=found)
    return _reason(rule, "met", "receives_nothing_else", programs=rule["programs"])


def _income_at_most(rule: Rule, facts: Facts, _day: date) -> Reason:
    """Either limit is enough: the family's income, or its part for each member."""
    limits = {"family": _rupiah(rule["family"]), "member": _rupiah(rule["member"])}
    if facts.income is None:
        return _reason(rule, "unknown", "income_unknown", **limits)
    if facts.income <= rule["family"]:
        return _reason(rule, "met", "income_fits", income=_rupiah(facts.income), **limits)
    if facts.family_size is None:
        return _reason(rule, "unknown", "family_size_unknown", income=_rupiah(facts.income), **limits)
    fits = facts.income <= rule["member"] * facts.family_size
    code = "member_income_fits" if fits else "income_too_high"
    each = _rupiah(facts.income // facts.family_size)
    return _reason(rule, "met" if fits else "not_met", code, income=_rupiah(facts.income), each=each, **limits)


def _rupiah(amount: int) -> str:
    return f"Rp{amount:,}".replace(",", ".")


def _lives_in(rule: Rule, facts: Facts, _day: date) -> Reason:
    fits = any(f"{facts.region_code}.".startswith(f"{region}.") for region in rule["regions"])
    code = "lives_there" if fits else "lives_elsewhere"
    return _reason(rule, "met" if fits else "not_met", code, regions=", ".join(rule["regions"]))


def _answered(rule: Rule, facts: Facts, _day: date) -> Reason:
    answer = facts.answers.get(rule["question"])
    if answer is None:
        return _reason(rule, "unknown", "answer_missing")
    fits = answer == rule["is"]
    return _reason(rule, "met" if fits else "not_met", "answer_fits" if fits else "answer_against", answer=answer)


TESTS: Mapping[str, Callable[[Rule, Facts, date], Reason]] = {
    "age_between": _age_between,
    "sex_is": _sex_is,
    "has_nik": _has_nik,
    "listed_in_dtsen": _listed_in_dtsen,
    "decile_at_most": _decile_at_most,
    "ppks_any_of": _ppks_any_of,
    "found_needy": _found_needy,
    "receives_any_of": _receives_any_of,
    "receives_none_of": _receives_none_of,
    "income_at_most": _income_at_most,
    "lives_in": _lives_in,
    "answered": _answered,
}

# Code -> words in Indonesian and English. Codes never change.
REASONS: Mapping[str, tuple[str, str]] = {
    "deceased": ("Orang ini tercatat meninggal.", "This person is recorded as deceased."),
    "no_rules": (
        "Program ini belum memiliki ketentuan yang tercatat; tanyakan kepada instansinya.",
        "No rules of this programme are recorded; ask the agency.",
    ),
    "program_ended": (
        "Program sudah berakhir pada tanggal itu; cari program penggantinya.",
        "The programme had ended by that day; look for its successor.",
    ),
    "program_not_started": (
        "Program belum berjalan pada tanggal itu.",
        "The programme had not started by that day.",
    ),
    "age_fits": ("Umur {age} tahun sesuai ketentuan.", "The age of {age} fits."),
    "age_outside": (
        "Umur {age} tahun di luar ketentuan {min} sampai {max}.",
        "The age of {age} is outside {min} to {max}.",
    ),
    "sex_fits": ("Jenis kelamin sesuai ketentuan.", "The sex fits."),
    "sex_other": ("Program ini untuk jenis kelamin lain.", "The programme is for the other sex."),
    "nik_present": ("NIK tercatat.", "The NIK is recorded."),
    "nik_missing": (
        "Belum ada NIK: rekam KTP-el di Dukcapil dahulu, lalu catat NIK-nya.",
        "There is no NIK yet: have it recorded at the civil registry first, then enter it.",
    ),
    "dtsen_listed": ("Keluarga tercatat dalam DTSEN.", "The family is listed in DTSEN."),
    "decile_fits": ("Desil {decile} tidak melebihi {max}.", "Decile {decile} does not exceed {max}."),
    "decile_too_high": ("Desil {decile} di atas batas {max}.", "Decile {decile} is above the limit of {max}."),
    "decile_undetermined": (
        "Desil keluarga belum ditentukan: mintakan verifikasi DTSEN.",
        "The decile of the family is not determined: ask for its verification in DTSEN.",
    ),
    "decile_unknown": (
        "Tidak ada data DTSEN keluarga ini: periksa desilnya di SIKS-NG atau daftarkan melalui musyawarah.",
        "No DTSEN data of this family: look its decile up in SIKS-NG or register it through the deliberation.",
    ),
    "category_fits": ("Kategori PPKS sesuai: {categories}.", "The PPKS category fits: {categories}."),
    "category_other": (
        "Tidak tercatat sebagai {categories}.",
        "Not recorded as {categories}.",
    ),
    "category_unknown": (
        "Belum ada kategori PPKS: lakukan asesmen ({categories}).",
        "No PPKS category yet: assess the person ({categories}).",
    ),
    "found_needy": ("Kunjungan rumah menyimpulkan layak.", "The home visit found the person eligible."),
    "found_not_needy": (
        "Kunjungan rumah menyimpulkan tidak layak.",
        "The home visit found the person not eligible.",
    ),
    "visit_inconclusive": (
        "Kunjungan rumah belum menyimpulkan: lakukan asesmen lanjutan.",
        "The home visit came to no conclusion: assess further.",
    ),
    "not_visited": (
        "Belum ada kunjungan rumah dalam setahun terakhir: kunjungi dan catat temuannya.",
        "No home visit within the last year: pay one and record the finding.",
    ),
    "receives": ("Keluarga menerima {programs}.", "The family receives {programs}."),
    "receives_none": (
        "Tidak tercatat menerima {programs}.",
        "Not recorded as receiving {programs}.",
    ),
    "receives_already": ("Sudah menerima {programs}.", "Already receives {programs}."),
    "receives_nothing_else": (
        "Tidak tercatat menerima bantuan yang sama.",
        "Not recorded as receiving the same benefit.",
    ),
    "income_fits": (
        "Penghasilan keluarga {income} sebulan tidak melebihi {family}.",
        "The family's income of {income} a month does not exceed {family}.",
    ),
    "member_income_fits": (
        "Penghasilan {each} sebulan per anggota keluarga tidak melebihi {member}.",
        "An income of {each} a month for each member of the family does not exceed {member}.",
    ),
    "income_too_high": (
        "Penghasilan keluarga {income} sebulan ({each} per anggota) melebihi {family} dan {member} per anggota.",
        "The family's income of {income} a month ({each} for each member) exceeds {family}, and {member} for each.",
    ),
    "income_unknown": (
        "Penghasilan keluarga belum diketahui: tanyakan saat kunjungan (batas {family}, atau {member} per anggota).",
        "The family's income is not known: ask at a visit (limit {family}, or {member} for each member).",
    ),
    "family_size_unknown": (
        "Penghasilan {income} melebihi {family}; catat anggota keluarga untuk menghitung bagian per anggota.",
        "The income of {income} exceeds {family}; record the members of the family to count each one's part.",
    ),
    "lives_there": ("Berdomisili di wilayah program ({regions}).", "Lives in the programme's area ({regions})."),
    "lives_elsewhere": (
        "Berdomisili di luar wilayah program ({regions}).",
        "Lives outside the programme's area ({regions}).",
    ),
    "answer_fits": (
        "Jawaban {answer} sesuai ketentuan: {question}",
        "The answer {answer} is as demanded: {question}",
    ),
    "answer_against": (
        "Jawaban {answer} tidak sesuai ketentuan: {question}",
        "The answer {answer} is not as demanded: {question}",
    ),
    "answer_missing": ("Cari tahu: {question}", "Find out: {question}"),
}
