"""What can go wrong, said once: every problem code with its status and its words in Indonesian and English."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Language = Literal["id", "en"]


@dataclass(frozen=True)
class ProblemText:
    """One row of the catalogue. `detail_*` may hold `{fact}` placeholders; facts are never a person's data."""

    status: int
    title_id: str
    title_en: str
    detail_id: str
    detail_en: str

    def title(self, language: Language) -> str:
        return self.title_id if language == "id" else self.title_en

    def detail(self, language: Language, facts: Mapping[str, object]) -> str:
        return filled(self.detail_id if language == "id" else self.detail_en, facts)

    def page(self, code: str) -> str:
        """Markdown of the page that a problem's `type` leads to."""
        return (
            f"# {code}\n\n**{self.status}** · {self.title_id} · {self.title_en}\n\n"
            f"## Apa yang terjadi\n\n{self.detail_id}\n\n## What happened\n\n{self.detail_en}\n\n"
            "Words in braces are filled in by the answer. The code never changes; title and detail follow "
            "`Accept-Language` (`id`, `en`).\n"
        )


class _Facts(dict[str, object]):
    def __init__(self, facts: Mapping[str, object]) -> None:
        super().__init__({key: _plain(value) for key, value in facts.items()})

    def __missing__(self, key: str) -> str:
        return "-"


def _plain(value: object) -> object:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(item) for item in value) or "-"
    return value


@dataclass(frozen=True)
class FieldError:
    """One invalid member of the request; `pointer` is an RFC 6901 JSON Pointer into the body or the query."""

    pointer: str
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)


class DomainError(Exception):
    """A refusal the caller can act on. `code` is a key of `PROBLEMS`; `facts` fill its text and extension members."""

    def __init__(self, code: str, *, errors: Sequence[FieldError] = (), **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.errors = tuple(errors)
        self.facts = facts


def not_found() -> DomainError:
    """Missing and outside the caller's scope look alike, so that nobody can probe what exists elsewhere."""
    return DomainError("not_found")


def invalid(pointer: str, code: str, **facts: object) -> DomainError:
    """A 422 that names one member of the request."""
    return DomainError("invalid_request", errors=[FieldError(pointer, code, facts)])


PROBLEMS: Mapping[str, ProblemText] = {
    "malformed_request": ProblemText(
        400,
        "Permintaan tidak dapat dibaca",
        "The request cannot be read",
        "Isi permintaan bukan JSON yang sah: {reason}. Perbaiki lalu kirim ulang.",
        "The request is not valid JSON: {reason}. Correct it and send it again.",
    ),
    "malformed_upload": ProblemText(
        400,
        "Kiriman berkas tidak utuh",
        "The upload is not complete",
        "Kiriman terputus atau bukan multipart/form-data yang sah dengan satu berkas. Kirim ulang seluruhnya.",
        "The upload broke off or is not valid multipart/form-data with one file. Send all of it again.",
    ),
    "cursor_invalid": ProblemText(
        400,
        "Kursor halaman tidak dikenal",
        "The page cursor is not ours",
        "Ikuti tautan next_cursor dari jawaban sebelumnya dengan penyaring yang sama, atau mulai dari halaman pertama.",
        "Follow next_cursor of the previous answer with the same filters, or start from the first page.",
    ),
    "idempotency_key_invalid": ProblemText(
        400,
        "Idempotency-Key tidak sah",
        "The Idempotency-Key is not valid",
        "Gunakan 1 sampai 128 karakter ASCII yang tercetak, misalnya sebuah UUID.",
        "Use 1 to 128 printable ASCII characters, for example a UUID.",
    ),
    "token_request_invalid": ProblemText(
        400,
        "Permintaan token tidak sah",
        "The token request is not valid",
        "Perbaiki permintaan menurut RFC 6749: {reason}.",
        "Correct the request by RFC 6749: {reason}.",
    ),
    "grant_type_unsupported": ProblemText(
        400,
        "Jenis grant tidak didukung",
        "Unsupported grant type",
        "Klien mesin memperoleh token dengan grant_type client_credentials.",
        "Machine clients get tokens with the grant_type client_credentials.",
    ),
    "scope_refused": ProblemText(
        400,
        "Scope tidak diberikan",
        "The scope is not granted",
        "Klien ini tidak memiliki scope yang diminta: {reason}. Hilangkan scope, atau minta admin menambahkannya.",
        "The client lacks a scope it asked for: {reason}. Leave scope out, or ask an administrator to add it.",
    ),
    "client_refused": ProblemText(
        401,
        "Klien tidak dikenali",
        "The client was not recognised",
        "Periksa client_id dan rahasia atau assertion (berlaku sekali). Admin dapat membuat rahasia baru.",
        "Check client_id and the secret or assertion; an assertion works once. An administrator can give a new secret.",
    ),
    "unauthenticated": ProblemText(
        401,
        "Anda belum masuk",
        "You are not signed in",
        "Token tidak ada, tidak sah atau sudah berakhir. Masuk kembali atau perbarui token.",
        "The token is missing, invalid or expired. Sign in again or refresh the token.",
    ),
    "link_refused": ProblemText(
        401,
        "Tautan tidak berlaku",
        "The link is not valid",
        "Tautan berlaku sebentar dan hanya bagi yang memintanya. Muat ulang lampiran, atau minta tautan dasbor yang "
        "baru.",
        "A link is good for a short while and only for whoever asked. Reload the attachment, or ask for a new link to "
        "the dashboard.",
    ),
    "credentials_refused": ProblemText(
        401,
        "Nama pengguna atau kata sandi salah",
        "Wrong user name or password",
        "Periksa nama pengguna dan kata sandi, atau minta admin mengatur ulang kata sandi.",
        "Check the user name and password, or ask an administrator to reset the password.",
    ),
    "refresh_refused": ProblemText(
        401,
        "Sesi sudah berakhir",
        "The session has ended",
        "Token penyegar tidak berlaku lagi. Masuk kembali dengan nama pengguna dan kata sandi.",
        "The refresh token is no longer valid. Sign in again with user name and password.",
    ),
    "otp_required": ProblemText(
        401,
        "Kode sekali pakai diperlukan",
        "A one-time code is needed",
        "Kata sandi benar. Kirim lagi beserta otp dari aplikasi autentikator, atau recovery_code.",
        "The password is right. Send it again with the otp of your authenticator app, or a recovery_code.",
    ),
    "otp_refused": ProblemText(
        401,
        "Kode sekali pakai salah",
        "Wrong one-time code",
        "Tunggu kode berikutnya di aplikasi autentikator; setiap kode hanya berlaku sekali.",
        "Wait for the next code in the authenticator app; each code works only once.",
    ),
    "sign_in_delayed": ProblemText(
        429,
        "Terlalu banyak percobaan yang gagal",
        "Too many attempts have failed",
        "Tunggu {retry_after} detik. Bila lupa kata sandi atau kode, minta admin mengatur ulang.",
        "Wait {retry_after} seconds. If the password or code is forgotten, ask an administrator for a reset.",
    ),
    "otp_not_set_up": ProblemText(
        409,
        "Belum ada kode sekali pakai",
        "There are no one-time codes",
        "Mulai pemasangan melalui POST /v1/me/otp, lalu konfirmasikan dengan kode dari aplikasi autentikator.",
        "Begin with POST /v1/me/otp, then confirm with a code of the authenticator app.",
    ),
    "otp_already_confirmed": ProblemText(
        409,
        "Kode sekali pakai sudah berlaku",
        "The one-time codes are in force already",
        "Tidak ada yang menunggu konfirmasi. Bila kode pemulihan hilang, minta yang baru: "
        "POST /v1/me/otp/recovery-codes.",
        "Nothing waits to be confirmed. If the recovery codes were lost, ask for new ones with "
        "POST /v1/me/otp/recovery-codes.",
    ),
    "second_person_required": ProblemText(
        409,
        "Perlu orang kedua",
        "A second person is needed",
        "Kata sandi dan kode pengguna ini tidak boleh diatur ulang oleh orang yang sama dalam {hours} jam. Minta admin "
        "lain, atau jalankan tksk users reset di server.",
        "The password and the codes of one user are not both reset by one person within {hours} hours. Ask another "
        "administrator, or run tksk users reset on the server.",
    ),
    "otp_mandatory": ProblemText(
        409,
        "Peran Anda wajib memakai kode sekali pakai",
        "Your role must use one-time codes",
        "Kode tidak dapat dilepas. Untuk berganti telepon, pasang yang baru melalui POST /v1/me/otp.",
        "They cannot be given up. To change the phone, set up new ones with POST /v1/me/otp.",
    ),
    "step_up_required": ProblemText(
        401,
        "Buktikan lagi bahwa ini Anda",
        "Prove again that it is you",
        "Langkah ini memerlukan bukti baru. Kirim otp atau password ke POST /v1/auth/step-up, lalu ulangi.",
        "This step needs a fresh proof. Send otp or password to POST /v1/auth/step-up, then repeat.",
    ),
    "agency_inactive": ProblemText(
        403,
        "Instansi sudah dinonaktifkan",
        "The agency is no longer active",
        "Instansi Anda tidak lagi menerima rujukan, jadi rujukannya tertutup. Tanyakan kepada dinas sosial setempat.",
        "Your agency no longer takes referrals, so those it had are closed to it. Ask the social service office there.",
    ),
    "otp_enrolment_required": ProblemText(
        403,
        "Kode sekali pakai belum dipasang",
        "A one-time code must be set up",
        "Peran Anda wajib memakai kode sekali pakai. Pasang melalui POST /v1/me/otp sebelum melanjutkan.",
        "Your role must use one-time codes. Set one up with POST /v1/me/otp before going on.",
    ),
    "permission_denied": ProblemText(
        403,
        "Anda tidak berwenang",
        "You may not do this",
        "Peran Anda tidak memiliki izin {permission}. Hubungi admin bila ini keliru.",
        "Your role lacks the permission {permission}. Ask an administrator if this is wrong.",
    ),
    "password_change_required": ProblemText(
        403,
        "Kata sandi harus diganti",
        "The password must be changed",
        "Ganti kata sandi sementara melalui POST /v1/me/password sebelum melanjutkan.",
        "Replace the temporary password with POST /v1/me/password before going on.",
    ),
    "separation_of_duties": ProblemText(
        403,
        "Harus dilakukan orang lain",
        "Somebody else has to do this",
        "Yang sudah ikut menangani (membuat, mengubah, memeriksa, mengunjungi, menandatangani) tidak boleh memutuskan.",
        "Whoever had a hand in it (created, changed, checked, visited, signed) may not decide. Ask another official.",
    ),
    "not_signatory": ProblemText(
        403,
        "Bukan giliran penanda tangan ini",
        "Not this signatory's turn",
        "Surat ini menunggu tanda tangan {expected}.",
        "This letter is waiting for the signature of {expected}.",
    ),
    "not_found": ProblemText(
        404,
        "Tidak ditemukan",
        "Not found",
        "Data tidak ada atau berada di luar wilayah kerja Anda.",
        "It does not exist or lies outside your area of work.",
    ),
    "method_not_allowed": ProblemText(
        405,
        "Metode tidak tersedia",
        "Method not available",
        "Alamat ini tidak mengenal metode tersebut; lihat header Allow.",
        "This address does not know that method; see the Allow header.",
    ),
    "client_disabled": ProblemText(
        409,
        "Klien sudah dinonaktifkan",
        "The client was ended",
        "Klien mesin yang dinonaktifkan tidak dihidupkan lagi. Buat klien baru.",
        "A machine client that was ended is not revived. Create a new one.",
    ),
    "client_uses_key": ProblemText(
        409,
        "Klien memakai kunci sendiri",
        "The client uses a key of its own",
        "Klien dengan public_jwk tidak memerlukan rahasia. Hapus public_jwk dahulu (PATCH) bila ingin memakai rahasia.",
        "A client with a public_jwk needs no secret. Remove public_jwk first (PATCH) if it is to use one.",
    ),
    "conflict": ProblemText(
        409,
        "Bertentangan dengan data yang ada",
        "In conflict with what exists",
        "Data sudah ada atau baru saja berubah. Muat ulang lalu coba lagi.",
        "It already exists or has just changed. Reload and try again.",
    ),
    "id_in_use": ProblemText(
        409,
        "Id sudah dipakai",
        "The id is in use",
        "Id kiriman sudah dipakai untuk isi yang lain. Buat UUID baru.",
        "The id you sent already belongs to other content. Make a new UUID.",
    ),
    "nik_taken": ProblemText(
        409,
        "NIK sudah terdaftar",
        "The NIK is already registered",
        "Seseorang dengan NIK ini sudah terdaftar. Cari dahulu; bila tidak tampak, hubungi dinas sosial.",
        "Somebody with this NIK is already registered. Search first; if nobody is shown, ask the social office.",
    ),
    "merged": ProblemText(
        409,
        "Data ini sudah digabung",
        "The record was merged",
        "Dua data satu orang sudah digabung; yang berlaku sekarang {merged_into}. Buka data itu, lalu ulangi di sana.",
        "Two records of one person were merged; {merged_into} stands for both now. Open that one and repeat it there.",
    ),
    "merge_two_niks": ProblemText(
        409,
        "Dua NIK yang sudah diperiksa",
        "Two verified NIKs",
        "Keduanya punya NIK berbeda yang sudah diperiksa; satu orang punya satu NIK seumur hidup. Bila ini memang satu "
        "orang, minta dinas sosial membetulkan NIK yang salah dahulu; bila bukan, tolak pasangan ini.",
        "Both have a verified NIK, and they differ; a person has one NIK for life. If this is one person, have the "
        "social office correct the wrong one first; if not, dismiss the pair.",
    ),
    "merge_one_deceased": ProblemText(
        409,
        "Yang satu tercatat meninggal",
        "One of them is recorded as deceased",
        "Periksa dahulu: bila ini satu orang, catat kematian pada data yang lain juga (atau batalkan bila keliru), "
        "lalu ulangi.",
        "Make sure first: if this is one person, record the death on the other too (or take it back if it is wrong), "
        "then repeat.",
    ),
    "merge_conflict": ProblemText(
        409,
        "Keduanya memiliki yang hanya boleh satu",
        "Both have what one person has once",
        "Kedua data masing-masing memiliki {records} yang masih berjalan. Akhiri atau batalkan salah satunya, lalu "
        "ulangi.",
        "Both records have {records} that are running. End or cancel one of the two, then repeat.",
    ),
    "not_merged": ProblemText(
        409,
        "Data ini tidak sedang digabung",
        "The record is not merged",
        "Tidak ada penggabungan yang dapat dibatalkan pada data ini.",
        "There is no merge of this record to take back.",
    ),
    "unmerge_too_late": ProblemText(
        409,
        "Sudah lewat 30 hari",
        "More than 30 days have passed",
        "Penggabungan dapat dibatalkan dalam {days} hari. Bila memang dua orang, daftarkan yang satu sebagai orang "
        "baru.",
        "A merge can be taken back within {days} days. If these are two people after all, register one of them anew.",
    ),
    "unmerge_nik_taken": ProblemText(
        409,
        "NIK sudah dipakai data lain",
        "Another record has the NIK by now",
        "NIK data yang akan dipisahkan kini ada pada data lain. Lepaskan NIK di sana dahulu, lalu ulangi.",
        "The NIK of the record that would come back stands on another one now. Take it off there first, then repeat.",
    ),
    "duplicate_elsewhere": ProblemText(
        409,
        "Separuh pasangan ada di kantor lain",
        "One half belongs to another office",
        "Orang yang satu terdaftar di luar wilayah Anda. Minta {office} memeriksa pasangan ini.",
        "One of the two is registered outside your area. Ask {office} to look at this pair.",
    ),
    "nik_of_deceased": ProblemText(
        409,
        "NIK milik orang yang tercatat meninggal",
        "The NIK belongs to somebody recorded as deceased",
        "Orang dengan NIK ini terdaftar di wilayah Anda dan tercatat meninggal. Bila ia masih hidup, batalkan catatan "
        "kematiannya; bila NIK salah ketik, betulkan lalu kirim ulang.",
        "The person with this NIK is registered in your area and recorded as deceased. If they are alive, take the "
        "record of the death back; if the NIK is mistyped, correct it and send again.",
    ),
    "nik_verified": ProblemText(
        409,
        "NIK sudah diperiksa",
        "The NIK has been verified",
        "NIK yang sudah diperiksa pada dokumen hanya dibetulkan oleh dinas sosial kabupaten/kota. Sampaikan kepada "
        "mereka, dengan dokumennya.",
        "A NIK that was checked against a paper is corrected by the social office of the regency alone. Bring it to "
        "them, with the paper.",
    ),
    "beneficiary_deceased": ProblemText(
        409,
        "Orang ini tercatat meninggal",
        "The person is recorded as deceased",
        "Untuk orang yang meninggal tidak dibuat permohonan, rujukan, kunjungan atau penetapan PPKS baru; keluarganya "
        "mengajukan atas namanya sendiri. Bila ia masih hidup, batalkan dahulu catatan kematiannya.",
        "Nothing new is applied for, referred, visited or assessed for a person who died; the family applies in its "
        "own name. If they are alive, first take the record of the death back.",
    ),
    "assessment_active": ProblemText(
        409,
        "Kategori ini sedang berlaku",
        "The category is active already",
        "Orang atau keluarga ini sudah berada dalam kategori tersebut. Akhiri penetapan itu dahulu, atau biarkan.",
        "The person or family is in this category already. Close that assessment first, or leave it.",
    ),
    "username_taken": ProblemText(
        409,
        "Nama pengguna sudah dipakai",
        "The user name is taken",
        "Pilih nama pengguna lain.",
        "Choose another user name.",
    ),
    "district_already_held": ProblemText(
        409,
        "Kecamatan sudah memiliki TKSK",
        "The district already has its officer",
        "Pada sebagian waktu itu kecamatan ini dipegang orang lain. Akhiri dahulu penugasan itu, atau ubah tanggalnya.",
        "Somebody else holds this district during part of that time. End that assignment first, or change the dates.",
    ),
    "assignment_overlaps": ProblemText(
        409,
        "Petugas sudah memiliki penugasan",
        "The officer already has an assignment",
        "Pada sebagian waktu itu petugas ini memegang kecamatan lain, atau sudah memiliki penugasan yang sama di sini. "
        "Akhiri dahulu penugasan itu, atau ubah tanggal.",
        "During part of that time this officer holds another district, or has the same assignment here already. "
        "End that one first, or change the dates.",
    ),
    "report_incomplete": ProblemText(
        409,
        "Laporan belum lengkap",
        "The report is not complete",
        "Yang kurang: {missing}. Operasi check menjelaskan masing-masing; lengkapi lalu kirim lagi.",
        "Missing: {missing}. The operation check explains each; complete it and submit again.",
    ),
    "acknowledgement_order": ProblemText(
        409,
        "Urutan mengetahui dan menerima",
        "The order of acknowledgement and acceptance",
        "Menurut kalender laporan wilayah ini camat mengetahui laporan: {order}. Tunggu langkah sebelumnya.",
        "By this region's report calendar the district head acknowledges: {order}. Wait for the step before.",
    ),
    "transition_refused": ProblemText(
        409,
        "Langkah ini belum atau tidak lagi mungkin",
        "This step is not possible now",
        "Status sekarang {state}; langkah yang tersedia: {allowed_actions}.",
        "The current state is {state}; the steps available are: {allowed_actions}.",
    ),
    "rows_rejected": ProblemText(
        409,
        "Ada baris yang ditolak",
        "Some rows are rejected",
        "{rejected} baris ditolak, dan berkas ini hanya boleh disimpan seluruhnya. Perbaiki berkas dari laporannya "
        "lalu unggah lagi, atau periksa ulang dengan atomic=row.",
        "{rejected} rows are rejected, and this file is to be written as a whole or not at all. Correct the file by "
        "its report and upload it again, or validate it once more with atomic=row.",
    ),
    "upload_offset_differs": ProblemText(
        409,
        "Bagian ini bukan lanjutannya",
        "This part is not the next one",
        "Sejauh ini {offset} dari {bytes} byte sudah diterima. Kirim bagian yang mulai dari sana, dengan Upload-Offset "
        "yang sama.",
        "{offset} of {bytes} bytes have arrived so far. Send the part that begins there, with the same Upload-Offset.",
    ),
    "upload_incomplete": ProblemText(
        409,
        "Berkas belum lengkap",
        "The file is not complete",
        "Baru {offset} dari {bytes} byte yang diterima. Kirim bagian selebihnya, lalu impor.",
        "Only {offset} of {bytes} bytes have arrived. Send the rest of its parts, then import it.",
    ),
    "upload_differs": ProblemText(
        409,
        "Berkas tidak sama dengan yang diumumkan",
        "The file is not the one that was announced",
        "Yang diterima tidak cocok dengan sha256 yang disebut semula; berkas mungkin berubah selama dikirim. Hapus "
        "unggahan ini dan kirim lagi dari awal.",
        "What arrived does not match the sha256 given at the beginning; the file may have changed while it was sent. "
        "Delete this upload and send it from the start.",
    ),
    "uploads_open": ProblemText(
        409,
        "Terlalu banyak unggahan yang belum selesai",
        "Too many uploads are unfinished",
        "Paling banyak {max} unggahan sekaligus. Selesaikan atau hapus salah satu; GET /v1/imports/uploads memuat "
        "daftarnya.",
        "{max} uploads at once at most. Finish or delete one of them; GET /v1/imports/uploads lists them.",
    ),
    "workbook_full": ProblemText(
        409,
        "Tidak muat dalam buku kerja",
        "It does not fit into a workbook",
        "Sebuah lembar XLSX memuat paling banyak 1.048.576 baris, dan satu sel 32.767 huruf. Pilih format lain, "
        "misalnya csv, atau batasi ekspor dengan filter.",
        "A sheet of an XLSX holds 1,048,576 rows at most, and a cell 32,767 characters. Ask for another format, like "
        "csv, or narrow an export down with a filter.",
    ),
    "frozen": ProblemText(
        409,
        "Kegiatan sudah masuk laporan",
        "A report holds this activity",
        "Laporan {report_id} memuatnya, jadi isinya tetap. Buat koreksi dengan POST .../revise, atau minta laporan itu "
        "dikembalikan.",
        "Report {report_id} holds it, so it stays as it is. Correct it with POST .../revise, or have that report "
        "returned.",
    ),
    "already_presented": ProblemText(
        409,
        "Surat ini sudah dicatat hari ini",
        "This letter is recorded for today already",
        "Instansi Anda sudah mencatat hasil yang sama untuk program ini hari ini ({presentation_id}), dengan note atau "
        "id lain. Pakai catatan itu; yang baru tidak disimpan.",
        "Your agency recorded the same outcome for this programme today ({presentation_id}), with another note or id. "
        "Use that record; the new one is not kept.",
    ),
    "already_corrected": ProblemText(
        409,
        "Sudah ada koreksinya",
        "There is a correction already",
        "Koreksinya {correction_id}. Buka dan ubah yang itu.",
        "Its correction is {correction_id}. Open that one and change it.",
    ),
    "already_logged": ProblemText(
        409,
        "Pekerjaan ini mungkin sudah dicatat",
        "This work may be logged already",
        "Catatan {activity_id} berasal dari hari dan orang yang sama. Tautkan saran ini ke sana (link) atau hapus; "
        "bila pekerjaannya lain, nyatakan dulu dengan confirm.",
        "Entry {activity_id} is of the same day and person. Link the suggestion to it or delete it; confirm it first "
        "if it is other work.",
    ),
    "kind_exists": ProblemText(
        409,
        "Kode jenis kegiatan sudah dipakai",
        "The code of this kind is taken",
        "Kode berlaku untuk seluruh Indonesia, agar jumlah antarwilayah tidak tercampur. Pakai kode lain, misalnya "
        "dengan nama wilayah di belakangnya.",
        "Codes hold in the whole nation, so that sums over regions never mix two kinds. Choose another, for example "
        "with the name of the region behind it.",
    ),
    "facts_changed": ProblemText(
        409,
        "Data orang berubah sejak diperiksa",
        "The person's data changed since they were checked",
        "Pemohon atau tanggungan diubah, pindah, meninggal atau ditarik. Kembalikan permohonan untuk diperiksa ulang; "
        "surat yang sudah bernomor dicabut (revoke) lalu diajukan lagi.",
        "The applicant or a dependant was changed, moved, died or was withdrawn. Return the application to be checked; "
        "revoke a letter that has its number already, and apply anew.",
    ),
    "proposal_outdated": ProblemText(
        409,
        "Usulan sudah usang",
        "The proposal is outdated",
        "Data orang ini sudah berubah sejak kunjungan, atau kunjungan yang lebih baru menyatakan lain. Bandingkan "
        "dengan data sekarang; bila masih berbeda, perbaiki langsung atau catat pada kunjungan berikutnya.",
        "The person's record has changed since the visit, or a newer visit says otherwise. Compare it with what is "
        "registered now; if it still differs, correct that directly or note it at the next visit.",
    ),
    "family_differs": ProblemText(
        409,
        "Keluarganya belum diperbaiki",
        "The family was not corrected yet",
        "Terdaftar {registered} tanggungan, pada kunjungan {seen}. Tambahkan atau keluarkan anggota keluarga dahulu, "
        "lalu terima usulan ini; atau tolak dengan alasannya.",
        "{registered} dependants are registered, {seen} were seen. Add or remove members of the family first, then "
        "accept this proposal; or reject it with the reason.",
    ),
    "still_in_use": ProblemText(
        409,
        "Masih dipakai",
        "Still in use",
        "Orang ini memiliki permohonan, surat atau rujukan yang berjalan, atau ditahan demi hukum. Akhiri itu dahulu.",
        "This person has a running application, letter or referral, or a legal hold. End that first.",
    ),
    "already_in_family": ProblemText(
        409,
        "Sudah menjadi anggota keluarga lain",
        "Already in another family",
        "Seseorang hanya berada dalam satu keluarga. Keluarkan dahulu dari keluarga itu atau pisahkan keluarganya; "
        "bila keluarga itu tidak tampak, hubungi dinas sosial.",
        "A person is in one family only. Remove them from that family first, or split it; if you do not see that "
        "family, ask the social office.",
    ),
    "snapshot_exists": ProblemText(
        409,
        "Desil hari itu sudah tercatat",
        "That day's decile is on record",
        "Sumber ini sudah mengatakan hal lain tentang keluarga ini pada tanggal itu, dan catatan tidak diubah. Kirim "
        "koreksi dengan tanggalnya sendiri.",
        "This source has said something else of the family on that day, and what was said is not changed. Send the "
        "correction with its own day.",
    ),
    "processing_restricted": ProblemText(
        409,
        "Pemrosesan data orang ini dibatasi",
        "The processing of this person's data is restricted",
        "Atas permintaannya data orang ini tidak diproses lagi (UU 27/2022 Pasal 41). Minta dinas sosial mencabutnya.",
        "At the person's request their data is not processed further (UU 27/2022 Pasal 41). Ask the office to lift it.",
    ),
    "seal_unavailable": ProblemText(
        409,
        "Surat belum dapat disegel",
        "The letter cannot be sealed now",
        "Surat belum terbit dan nomornya tidak terpakai; sebabnya {why}. certificate_*: minta kantor kabupaten/kota "
        "mengunggah sertifikat yang berlaku. key_unreadable, service_not_configured, service_refused, seal_damaged, "
        "seal_untrusted: hubungi admin. service_unreachable: coba lagi. credentials_*: tanda tangani satu per satu "
        "dengan NIK dan passphrase BSrE yang benar.",
        "The letter is not issued and no number is spent; the reason is {why}. certificate_*: have the regency office "
        "upload a certificate that is in force. key_unreadable, service_not_configured, service_refused, seal_damaged, "
        "seal_untrusted: ask the administrator. service_unreachable: try again. credentials_*: sign one by one, with "
        "the right NIK and passphrase of BSrE.",
    ),
    "scan_missing": ProblemText(
        409,
        "Pindaian surat yang ditandatangani belum ada",
        "The scan of the signed letter is missing",
        "Cetak surat, mintakan tanda tangan dan cap, pindai, lampirkan sebagai signed_letter, lalu kirim ke "
        "signed-scan. Sesudah itu surat berlaku dan dapat diserahkan.",
        "Print the letter, have it signed and stamped, scan it, attach it as signed_letter, and send it to "
        "signed-scan. From then on the letter is valid and can be handed over.",
    ),
    "letter_not_valid": ProblemText(
        409,
        "Surat ini tidak berlaku lagi",
        "This letter is not valid any more",
        "Keadaannya {letter_status}, jadi jangan diserahkan. superseded: serahkan surat penggantinya. expired: ajukan "
        "permohonan baru untuk keperluan yang sama.",
        "It is {letter_status}, so do not hand it over. superseded: hand over the letter that replaces it. expired: "
        "draft a new application for the same purpose.",
    ),
    "scan_not_expected": ProblemText(
        409,
        "Surat ini tidak ditandatangani dengan tangan",
        "This letter is not signed by hand",
        "Hanya surat dengan jenis tanda tangan wet yang menunggu pindaian. Surat ini sudah lengkap.",
        "Only a letter whose kind of signature is wet waits for a scan. This one is complete as it is.",
    ),
    "attachment_in_use": ProblemText(
        409,
        "Lampiran masih menjadi bukti",
        "The attachment is still evidence",
        "Permohonan, rujukan, kunjungan atau kegiatan yang sudah diajukan atau selesai merujuk padanya.",
        "An application, referral, visit or activity that was submitted or completed refers to it.",
    ),
    "attachment_quota_exceeded": ProblemText(
        409,
        "Ruang lampiran wilayah habis",
        "The region's space for attachments is used up",
        "Hapus lampiran yang tidak diperlukan, atau minta admin menambah ruang kabupaten/kota ini.",
        "Delete attachments nobody needs, or ask the administrator for more space for this regency.",
    ),
    "duplicate_application": ProblemText(
        409,
        "Sudah ada permohonan yang berjalan",
        "An application is already under way",
        "Orang ini sudah memiliki permohonan atau surat yang masih berlaku untuk keperluan yang sama.",
        "This person already has a running application or a valid letter for the same purpose.",
    ),
    "idempotency_in_progress": ProblemText(
        409,
        "Permintaan yang sama sedang diproses",
        "The same request is being processed",
        "Tunggu beberapa detik lalu kirim ulang dengan Idempotency-Key yang sama.",
        "Wait a few seconds and send it again with the same Idempotency-Key.",
    ),
    "cursor_expired": ProblemText(
        410,
        "Kursor halaman sudah kedaluwarsa",
        "The page cursor has expired",
        "Mulai lagi dari halaman pertama.",
        "Start again from the first page.",
    ),
    "content_damaged": ProblemText(
        410,
        "Berkas rusak atau hilang",
        "The file is damaged or lost",
        "Isi yang tersimpan tidak dapat dibuktikan utuh, jadi tidak diberikan. Beri tahu admin; lampirkan lagi.",
        "The stored content cannot be proven intact, so it is not given. Tell the administrator; attach it again.",
    ),
    "stale_version": ProblemText(
        412,
        "Data sudah diubah orang lain",
        "Somebody else has changed it",
        "Muat ulang data, periksa perubahannya, lalu kirim ulang dengan ETag yang baru.",
        "Reload it, look at what changed, and send again with the new ETag.",
    ),
    "body_too_large": ProblemText(
        413,
        "Kiriman terlalu besar",
        "The request is too large",
        "Batas kiriman adalah {limit_bytes} byte.",
        "The limit is {limit_bytes} bytes.",
    ),
    "uri_too_long": ProblemText(
        414, "Alamat terlalu panjang", "The address is too long", "Perpendek alamat.", "Shorten the address."
    ),
    "unsupported_media_type": ProblemText(
        415,
        "Jenis isi tidak didukung",
        "Unsupported content type",
        "Kirim isi sebagai {expected}.",
        "Send the body as {expected}.",
    ),
    "invalid_request": ProblemText(
        422,
        "Isian belum benar",
        "Some values are not right",
        "Periksa setiap butir pada errors, perbaiki, lalu kirim ulang. Tidak ada yang disimpan.",
        "Look at each entry of errors, correct it and send again. Nothing was stored.",
    ),
    "requirements_missing": ProblemText(
        422,
        "Syarat belum lengkap",
        "Requirements are missing",
        "Lengkapi dahulu: {missing}.",
        "Provide first: {missing}.",
    ),
    "idempotency_mismatch": ProblemText(
        422,
        "Idempotency-Key dipakai ulang",
        "The Idempotency-Key was used before",
        "Kunci ini sudah dipakai untuk isi yang lain. Buat kunci baru untuk permintaan baru.",
        "This key was used with other content. Make a new key for a new request.",
    ),
    "precondition_required": ProblemText(
        428,
        "If-Match wajib disertakan",
        "If-Match is required",
        "Ambil data terbaru dan kirim ETag-nya pada header If-Match.",
        "Fetch the latest data and send its ETag in the If-Match header.",
    ),
    "too_many_requests": ProblemText(
        429,
        "Terlalu banyak permintaan",
        "Too many requests",
        "Coba lagi setelah {retry_after} detik.",
        "Try again after {retry_after} seconds.",
    ),
    "internal_error": ProblemText(
        500,
        "Terjadi kesalahan pada sistem",
        "Something went wrong on our side",
        "Kesalahan telah dicatat. Sebutkan nomor pada instance bila melapor.",
        "The error has been recorded. Quote the number in instance when you report it.",
    ),
    "unavailable": ProblemText(
        503,
        "Layanan sedang sibuk",
        "The service is busy",
        "Tidak ada yang hilang. Coba lagi setelah {retry_after} detik.",
        "Nothing is lost. Try again after {retry_after} seconds.",
    ),
}

_FIELD_TEXTS: Mapping[str, tuple[str, str]] = {
    "missing": ("Wajib diisi.", "This is required."),
    "unknown_field": ("Tidak dikenal; hapus.", "Unknown; remove it."),
    "unknown_parameter": ("Parameter tidak dikenal.", "Unknown query parameter."),
    "repeated_parameter": ("Parameter hanya boleh sekali.", "This parameter may appear only once."),
    "wrong_type": ("Jenis nilai tidak sesuai; harus {expected}.", "Wrong type of value; expected {expected}."),
    "too_short": ("Terlalu pendek; paling sedikit {min}.", "Too short; at least {min}."),
    "too_long": ("Terlalu panjang; paling banyak {max}.", "Too long; at most {max}."),
    "out_of_range": ("Di luar batas {min} sampai {max}.", "Outside the range {min} to {max}."),
    "not_allowed": ("Bukan pilihan yang tersedia: {expected}.", "Not one of the choices: {expected}."),
    "bad_format": ("Bentuk tidak sesuai.", "The format is not right."),
    "bad_uuid": ("Harus berupa UUID.", "Must be a UUID."),
    "bad_date": ("Harus tanggal yang ada, bentuk 2026-11-22.", "Must be an existing date like 2026-11-22."),
    "bad_datetime": (
        "Harus waktu dengan zona, misalnya 2026-11-22T09:30:00+07:00.",
        "Must be a time with its offset, for example 2026-11-22T09:30:00+07:00.",
    ),
    "not_finite": ("Harus bilangan biasa.", "Must be a finite number."),
    "forbidden_character": (
        "Berisi yang tidak boleh dipakai (kontrol, NUL, pengubah arah, atau lebih dari 30 tanda pada satu huruf).",
        "Contains what is not allowed (control, NUL, direction override, or more than 30 accents on one letter).",
    ),
    "masked_value": (
        "Nilai tersamar tidak dapat disimpan; kirim nilai lengkap atau hilangkan.",
        "A masked value cannot be stored; send the full value or leave it out.",
    ),
    "nothing_readable": ("Harus memuat huruf atau angka.", "Must contain a letter or a digit."),
    "too_many_lines": ("Paling banyak {max} baris.", "At most {max} lines."),
    "identity_number_in_text": (
        "Jangan menulis NIK di sini; gunakan kolomnya sendiri.",
        "Do not write a NIK here; it has a field of its own.",
    ),
    "name_in_text": (
        "Jangan menulis nama orang ini di sini: alasan disimpan dalam catatan akses yang tidak dapat dihapus.",
        "Do not write this person's name here: reasons are kept in the access log, which cannot be erased.",
    ),
    "search_needs_one": (
        "Isi paling sedikit satu: nik, family_card_number, name atau birth_date.",
        "Give at least one of nik, family_card_number, name or birth_date.",
    ),
    "password_unchanged": ("Harus berbeda dengan yang sekarang.", "Must differ from the present one."),
    "dependant_elsewhere": (
        "Tanggungan harus tinggal di desa/kelurahan penerbit.",
        "A dependant must live in the issuing village.",
    ),
    "null_not_allowed": ("Tidak boleh dikosongkan.", "Must not be emptied."),
    "invalid": ("Nilai tidak sah.", "The value is not valid."),
    "in_future": ("Tidak boleh di masa depan.", "Must not be in the future."),
    "too_old": ("Terlalu lama di masa lalu.", "Too far in the past."),
    "only_when_overridden": (
        "Hanya bila consent overridden; hilangkan.",
        "Only when consent is overridden; leave it out.",
    ),
    "same_agency": ("Rujukan ini sudah pada instansi itu.", "The referral is with that agency already."),
    "deadline_passed": (
        "Batas waktu aktivasi {end} sudah lewat; ajukan rujukan baru.",
        "The last day to activate it was {end}; refer the person anew.",
    ),
    "whole_months": (
        "Untuk wilayah ini angka hanya ada per bulan: dari tanggal 1 sampai hari terakhir bulan.",
        "Here figures are of whole months: from the 1st to the last day of a month.",
    ),
    "month_not_over": (
        "Hanya bulan yang sudah berakhir; angka bulan ini masih berubah.",
        "Only months that are over; this month's figures still change.",
    ),
    "one_dimension": (
        "Tanpa hak melihat barisnya hanya menurut {expected}, bulan dan wilayah, agar angka kecil tidak terbaca.",
        "Without the right to see the rows only by {expected}, month and region, so that no small number can be had.",
    ),
    "too_many_cells": (
        "Jawaban lebih dari {max} sel; persempit wilayah atau periodenya.",
        "The answer has more than {max} cells; narrow the region or the period.",
    ),
    "before_start": ("Harus sesudah waktu mulai.", "Must be after the start."),
    "too_long_span": ("Rentang waktu terlalu panjang.", "The span of time is too long."),
    "unknown_reference": ("Tidak ada atau di luar wilayah Anda.", "Does not exist or lies outside your area."),
    "unknown_code": ("Kode tidak ada di daftar {list}.", "The code is not in the list {list}."),
    "unknown_region": ("Kode wilayah tidak dikenal.", "Unknown region code."),
    "region_level": ("Pilih wilayah tingkat {level}.", "Choose a region of the level {level}."),
    "already_visible": (
        "Orang ini terdaftar di wilayah Anda; tidak perlu izin khusus.",
        "This person is registered in your own area; no grant is needed.",
    ),
    "outside_scope": ("Di luar wilayah kerja Anda.", "Outside your area of work."),
    "nik_format": (
        "NIK harus 16 angka sebagai teks dan tidak diawali 0.",
        "A NIK is 16 digits, as text, and does not start with 0.",
    ),
    "nik_region": ("Enam angka pertama NIK bukan kode wilayah.", "The first six digits are not a region code."),
    "nik_birth_date": ("Tanggal lahir di dalam NIK tidak ada.", "The birth date inside the NIK does not exist."),
    "nik_serial": ("Nomor urut NIK tidak boleh 0000.", "The serial of a NIK is never 0000."),
    "nik_status_mismatch": (
        "nik_status tidak sesuai: tanpa NIK belum_rekam atau none, dengan NIK verified atau unverified.",
        "nik_status does not fit: without a NIK belum_rekam or none, with one verified or unverified.",
    ),
    "family_card_format": ("Nomor KK harus 16 angka sebagai teks.", "A family card number is 16 digits, as text."),
    "phone_format": ("Nomor telepon tidak sah.", "Not a valid phone number."),
    "case_number_format": (
        "Harus nomor perkara seperti 7K2M-9QXD.",
        "Must be a case number like 7K2M-9QXD.",
    ),
    "bad_time": ("Harus jam dan menit, misalnya 21:00.", "Must be hours and minutes, for example 21:00."),
    "quiet_hours_empty": (
        "Jam tenang harus berakhir pada jam lain dari mulainya.",
        "Quiet hours must end at another time than they start.",
    ),
    "too_many": ("Paling banyak {max} butir.", "At most {max} entries."),
    "duplicate_entry": ("Butir yang sama muncul dua kali.", "The same entry appears twice."),
    "headcount_below_linked": (
        "Jumlah orang lebih kecil daripada penerima yang ditautkan.",
        "The headcount is lower than the number of linked beneficiaries.",
    ),
    "headcount_above_total": (
        "Anak dan penyandang disabilitas termasuk dalam jumlah laki-laki dan perempuan: paling banyak {max}.",
        "Children and disabled are counted among male and female: at most {max}.",
    ),
    "outside_report": (
        "Koreksi tetap di kecamatan dan masa laporan yang memuatnya, {first} sampai {last}.",
        "A correction stays in the district and the days of the reports that hold it, {first} to {last}.",
    ),
    "still_works_here": (
        "Petugas ini masih bertugas di kecamatan itu dan mencatatnya sendiri.",
        "This officer still works in the district and logs it themselves.",
    ),
    "not_assigned_then": (
        "Petugas itu tidak bertugas di kecamatan ini pada hari tersebut; periksa penugasannya.",
        "That officer was not assigned to this district on that day; look at their assignments.",
    ),
    "too_far_ahead": ("Paling lama {max} hari ke depan.", "At most {max} days ahead."),
    "visit_not_yet": (
        "Hari kunjungan belum tiba; ubah visited_on bila kunjungan sudah dilakukan.",
        "The day of the visit has not come; change visited_on if the visit was paid already.",
    ),
    "finding_without_meeting": (
        "Tanpa bertemu siapa pun tidak ada kesimpulan; hilangkan.",
        "Without meeting anybody there is no finding; leave it out.",
    ),
    "sensitive_not_proposed": (
        "Kategori yang peka tidak diusulkan di sini; catat sebagai asesmen PPKS.",
        "A sensitive category is not proposed here; record it as a PPKS assessment.",
    ),
    "form_not_taken": (
        "Formulir versi ini tidak ada atau tidak dipakai pada hari kunjungan; yang berlaku versi {current}.",
        "There is no such version of the form, or not on the day of the visit; in force is version {current}.",
    ),
    "not_on_form": (
        "Tidak ada pada formulir versi {version}; kirim form_version yang memuatnya.",
        "Not on version {version} of the form; send the form_version that has it.",
    ),
    "coordinates_swapped": (
        "Lintang (lat) dan bujur (lon) tampaknya tertukar.",
        "Latitude (lat) and longitude (lon) seem to be swapped.",
    ),
    "visit_superseded": (
        "Ada kunjungan yang lebih baru; gunakan kunjungan terbaru orang ini (GET /v1/visits?current=true).",
        "There is a newer visit; use this person's newest one (GET /v1/visits?current=true).",
    ),
    "district_or_village_required": (
        "Harus kode kecamatan atau desa/kelurahan.",
        "Must be a district or village code.",
    ),
    "other_day": (
        "Menurut waktu setempat bukan pada hari occurred_on.",
        "Not on the day occurred_on by the local time of the region.",
    ),
    "kind_ended": (
        "Jenis kegiatan ini tidak berlaku pada hari itu.",
        "This kind of activity does not hold on that day.",
    ),
    "kind_other_pillar": (
        "Jenis kegiatan ini termasuk pilar {pillar}.",
        "This kind of activity belongs to the pillar {pillar}.",
    ),
    "password_too_short": ("Kata sandi paling sedikit {min} karakter.", "A password has at least {min} characters."),
    "password_too_short_alone": (
        "Ganti dahulu kata sandi menjadi paling sedikit {min} karakter.",
        "Change the password first to one of at least {min} characters.",
    ),
    "password_common": ("Kata sandi terlalu mudah ditebak.", "The password is too easy to guess."),
    "password_wrong": ("Kata sandi sekarang salah.", "The current password is wrong."),
    "same_person": ("Tidak boleh orang yang sama.", "Must not be the same person."),
    "other_note_required": ("Jelaskan pada catatan.", "Explain it in the note."),
    "visit_not_completed": ("Kunjungan belum selesai.", "The visit is not completed."),
    "visit_found_not_eligible": (
        "Kunjungan menyimpulkan tidak layak; tolak permohonan atau kunjungi kembali.",
        "The visit found the person not eligible; reject the application or visit again.",
    ),
    "name_symbols": (
        "Nama ditulis dengan huruf, tanpa emoji dan lambang.",
        "A name is written in letters, without emoji and symbols.",
    ),
    "sensitive_category": (
        "Kategori ini bersifat khusus: hanya TKSK dan dinas sosial kabupaten/kota yang mencatatnya. Sampaikan kepada "
        "mereka.",
        "This category is a sensitive one: only the TKSK and the social office of the regency record it. Tell them.",
    ),
    "category_unit": (
        "Kategori ini bukan untuk {unit}; kirim {expected}.",
        "This category is not one of a {unit}; send {expected}.",
    ),
    "one_of_these": ("Isi salah satu saja.", "Give one of them only."),
    "only_for_groups": ("Hanya untuk kelompok dan komunitas.", "Only for groups and communities."),
    "before_birth": ("Sebelum tanggal lahir orangnya.", "Before the person was born."),
    "after_death": ("Sesudah tanggal meninggal orangnya.", "After the person died."),
    "still_in_family": (
        "Pada tanggal ini masih menjadi anggota keluarga lain.",
        "Is still in another family on this day.",
    ),
    "head_missing": (
        "Satu anggota harus menjadi kepala keluarga (head_of_family).",
        "One member has to be the head (head_of_family).",
    ),
    "second_head": (
        "Keluarga ini sudah memiliki kepala; gunakan change-head.",
        "The family has a head already; use change-head.",
    ),
    "head_needed": (
        "Yang keluar adalah kepala keluarga: sebutkan anggota lain sebagai penggantinya.",
        "The head is leaving: name another member as successor.",
    ),
    "not_the_head": (
        "Yang keluar bukan kepala keluarga; hilangkan penggantinya.",
        "It is not the head who leaves; leave the successor out.",
    ),
    "nobody_left": (
        "Tidak ada anggota yang tinggal; gunakan move atau card untuk seluruh keluarga.",
        "Nobody would stay behind; use move or card for the whole family.",
    ),
    "already_in_family": (
        "Sudah menjadi anggota keluarga lain; keluarkan dahulu atau pisahkan keluarga itu.",
        "Is in another family already; remove them there or split that family first.",
    ),
    "deceased_person": ("Orang ini tercatat meninggal.", "This person is recorded as deceased."),
    "merged_person": (
        "Data ini sudah digabung ke {merged_into}; kirim id itu.",
        "This record was merged into {merged_into}; send that id.",
    ),
    "not_lacking": (
        "Data yang tetap sudah memiliki isian ini; hilangkan dari take.",
        "The record that stands has this already; leave it out of take.",
    ),
    "nothing_to_take": (
        "Data yang digabung tidak memiliki isian ini; hilangkan dari take.",
        "The record that is merged does not have this; leave it out of take.",
    ),
    "visit_other_person": ("Kunjungan ini untuk orang lain.", "The visit was to somebody else."),
    "pattern_placeholders": (
        "Pola nomor harus memuat {{sequence}} dan {{year}}.",
        "A number pattern needs {{sequence}} and {{year}}.",
    ),
    "nothing_filled_in": (
        "Kalimat dicetak apa adanya; tulis tanpa kurung kurawal.",
        "The sentence is printed as it stands; write it without braces.",
    ),
    "logo_expected": (
        "Logo harus berupa gambar JPEG atau PNG, sisi terpendek paling sedikit {min} piksel.",
        "A logo has to be a JPEG or PNG picture, its shorter side at least {min} pixels.",
    ),
    "agency_not_fitting": ("Instansi tidak melayani program ini.", "The agency does not serve this programme."),
    "agency_inactive": ("Instansi sudah tidak menerima rujukan.", "The agency no longer takes referrals."),
    "program_ended": ("Program sudah berakhir.", "The programme has ended."),
    "program_not_started": ("Program belum berjalan.", "The programme has not started yet."),
    "application_other_person": (
        "Permohonan SKTM ini milik orang lain.",
        "This SKTM application is somebody else's.",
    ),
    "nothing_to_replace": (
        "Permohonan itu tidak mempunyai surat yang masih dapat diganti dari desa yang sama.",
        "That application has no letter of the same village that can still be replaced.",
    ),
    "partner_inactive": ("Mitra ini sudah tidak aktif.", "This partner is no longer active."),
    "unit_mismatch": ("Jenis mitra ini adalah {unit}.", "This type of partner is a {unit}."),
    "search_needs_area": (
        "Nama dicari di satu tempat: sebutkan serving, atau region_code kabupaten/kota atau di bawahnya.",
        "A name is looked for near a place: give serving, or the region_code of a regency or below.",
    ),
    "only_for_lks": ("Hanya untuk jenis lks; hilangkan.", "Only for the type lks; leave it out."),
    "only_when_ended": (
        "Hanya untuk mitra yang tidak aktif; kirim is_active false.",
        "Only for a partner that is not active; send is_active false.",
    ),
    "not_an_officer": ("Harus pengguna aktif dengan peran tksk.", "Must be an active user with the role tksk."),
    "only_for_acting": ("Hanya untuk penugasan acting; hilangkan.", "Only for acting cover; leave it out."),
    "cover_too_long": ("Paling lama {max} hari.", "At most {max} days."),
    "number_given": (
        "Nomor sampai {last} sudah dipakai. Isi nomor sesudahnya.",
        "Numbers up to {last} are given already. Give a later one.",
    ),
    "too_many_numbers": ("Paling banyak {max} nomor sekali batal.", "At most {max} numbers at once."),
    "in_past": ("Hari ini atau sesudahnya.", "Today or later."),
    "report_level": (
        "Kecamatan, kabupaten/kota atau provinsi; kosongkan untuk nasional.",
        "A district, regency or province; leave it out for the nation.",
    ),
    "not_period_start": ("Isi hari pertama periode: {first}.", "Give the first day of the period: {first}."),
    "after_end": ("Penugasan sudah berakhir pada {end}.", "It ends on {end} already."),
    "one_owner": (
        "Isi tepat satu: beneficiary_id, visit_id atau activity_id.",
        "Give exactly one of beneficiary_id, visit_id or activity_id.",
    ),
    "certificate_unreadable": (
        "Bukan berkas PKCS#12 (.p12 atau .pfx) yang utuh; ekspor ulang dari penerbit sertifikat.",
        "Not an intact PKCS#12 file (.p12 or .pfx); export it again from whoever issued the certificate.",
    ),
    "certificate_password": (
        "Kata sandi berkas sertifikat salah.",
        "Wrong password for the certificate's file.",
    ),
    "certificate_no_key": (
        "Berkas tidak memuat sertifikat beserta kunci privatnya; ekspor ulang dengan kunci privat.",
        "The file does not hold a certificate with its private key; export it again with the private key.",
    ),
    "certificate_weak_key": (
        "Kunci harus RSA paling sedikit {min} bit, atau EC P-256, P-384 atau P-521.",
        "The key has to be RSA of at least {min} bits, or EC P-256, P-384 or P-521.",
    ),
    "certificate_not_for_signing": (
        "Kegunaan sertifikat ini bukan tanda tangan, misalnya sertifikat situs web.",
        "The certificate is not meant for signatures; it may be that of a web site.",
    ),
    "certificate_expired": ("Sertifikat sudah berakhir pada {end}.", "The certificate expired on {end}."),
    "certificate_not_yet_valid": (
        "Sertifikat baru berlaku mulai {start}.",
        "The certificate is not valid before {start}.",
    ),
    "signed_letter_expected": (
        "Lampirkan pindaian surat sebagai jenis signed_letter pada pemohon.",
        "Attach the scan of the letter to the applicant as a signed_letter.",
    ),
    "scan_is_the_letter": (
        "Berkas ini bukan pindaian kertas. Cetak surat, mintakan tanda tangan dan cap, lalu pindai atau foto.",
        "This file is no scan of a paper. Print the letter, have it signed and stamped, then scan or photograph it.",
    ),
    "qr_of_another_letter": (
        "Kode QR pada pindaian ini milik surat lain. Pindai kertas surat ini.",
        "The QR code in this scan is of another letter. Scan the paper of this one.",
    ),
    "file_empty": ("Berkas kosong.", "The file is empty."),
    "file_type_refused": (
        "Hanya JPEG, PNG, WebP atau PDF; ini {found}. Pada iPhone pilih Pengaturan, Kamera, Paling Kompatibel.",
        "Only JPEG, PNG, WebP or PDF; this is {found}. On an iPhone choose Settings, Camera, Most Compatible.",
    ),
    "file_two_faced": (
        "Berkas ini sekaligus berkas jenis lain; simpan ulang sebagai foto atau PDF biasa.",
        "The file is a file of another kind as well; save it again as a plain photo or PDF.",
    ),
    "file_damaged": (
        "Berkas rusak, terpotong atau terlalu rumit; ambil foto atau simpan ulang.",
        "The file is damaged, cut short or too complex; take or save it again.",
    ),
    "image_too_large": ("Gambar lebih dari {max} megapiksel.", "The picture has more than {max} megapixels."),
    "photo_expected": ("Jenis lampiran ini harus berupa foto.", "This kind of attachment has to be a photo."),
    "pdf_active": (
        "PDF memuat skrip, lampiran atau tindakan; cetak ulang ke PDF biasa.",
        "The PDF holds a script, an attachment or an action; print it to a plain PDF.",
    ),
    "pdf_encrypted": ("PDF dikunci; simpan tanpa kata sandi.", "The PDF is locked; save it without a password."),
    "pdf_pages": ("PDF harus 1 sampai {max} halaman.", "A PDF has 1 to {max} pages."),
    "bad_key": ("Bukan kunci publik P-256 yang sah.", "Not a valid public P-256 key."),
    "agency_required": ("Pengguna instansi memerlukan agency_id.", "An agency user needs an agency_id."),
}

_KINDS = {
    "text": "teks",
    "integer": "bilangan bulat",
    "number": "bilangan",
    "array": "daftar",
    "object": "objek",
    "true/false": "true atau false",
}
FIELD_CODES = frozenset(_FIELD_TEXTS)


def field_detail(code: str, language: Language, facts: Mapping[str, object]) -> str:
    """Words for a member's error, without the value that was sent."""
    indonesian, english = _FIELD_TEXTS[code]
    if language == "id" and facts.get("expected") in _KINDS:
        facts = {**facts, "expected": _KINDS[str(facts["expected"])]}
    return filled(indonesian if language == "id" else english, facts)


def filled(template: str, facts: Mapping[str, object]) -> str:
    """Words with their `{fact}` placeholders filled in; a fact that nobody gave is a dash."""
    return template.format_map(_Facts(facts))
