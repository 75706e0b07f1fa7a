"""Django REST Framework: ModelSerializer, generic views, an unmanaged model of the same table; gunicorn threads."""

from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import django
from django.conf import settings

from peers.common import CONNECTION_SETTINGS, OWNER_URL, seal_nik

_url = urlsplit(OWNER_URL)
settings.configure(
    DEBUG=False,
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    # Only what an API needs: no sessions, no CSRF, no messages.
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    TIME_ZONE="UTC",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _url.hostname,
            "PORT": _url.port,
            "NAME": _url.path.lstrip("/"),
            "USER": unquote(_url.username or ""),
            "PASSWORD": unquote(_url.password or ""),
            "CONN_MAX_AGE": None,
            "OPTIONS": {"options": " ".join(f"-c {name}={value}" for name, value in CONNECTION_SETTINGS.items())},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
)
django.setup()

# Django wants its settings before its models.
from django.contrib.postgres.fields import ArrayField  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models, transaction  # noqa: E402
from django.db.models.functions import Left, Now  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import generics, pagination, serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from tksk_api.database.tables import new_id  # noqa: E402


class Person(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id)
    version = models.IntegerField(default=1)
    region_code = models.TextField()
    district_code = models.GeneratedField(
        expression=Left("region_code", 8), output_field=models.TextField(), db_persist=True
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    created_by = models.UUIDField(null=True)
    nik_cipher = models.BinaryField(null=True)
    nik_index = models.BinaryField(null=True)
    nik_last4 = models.TextField(null=True)
    nik_status = models.TextField()
    full_name = models.TextField()
    birth_place = models.TextField(null=True)
    birth_date = models.DateField()
    sex = models.TextField()
    street = models.TextField()
    rt = models.TextField(null=True)
    rw = models.TextField(null=True)
    phone = models.TextField(null=True)
    family_card_last4 = models.TextField(null=True)
    relationship = models.TextField(null=True)
    ppks_categories = ArrayField(models.TextField(), default=list)
    notes = models.TextField(null=True)
    warnings = models.JSONField(default=list)
    deceased_on = models.DateField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "beneficiaries"
        app_label = "bench"


class History(models.Model):
    id = models.BigAutoField(primary_key=True)
    entity = models.TextField()
    entity_id = models.UUIDField()
    entity_version = models.IntegerField()
    action = models.TextField()
    actor_id = models.UUIDField()
    actor_role = models.TextField()
    request_id = models.UUIDField()
    operation = models.TextField()

    class Meta:
        managed = False
        db_table = "changes"
        app_label = "bench"


class AddressSerializer(serializers.Serializer):
    street = serializers.CharField()
    rt = serializers.CharField(allow_null=True, required=False)
    rw = serializers.CharField(allow_null=True, required=False)


class PersonSerializer(serializers.ModelSerializer):
    nik = serializers.RegexField(r"^[1-9][0-9]{15}$", write_only=True)
    nik_masked = serializers.SerializerMethodField()
    family_card_masked = serializers.SerializerMethodField()
    address = AddressSerializer(source="*")
    village_code = serializers.CharField(source="region_code")

    class Meta:
        model = Person
        fields = (
            "id",
            "nik",
            "nik_masked",
            "nik_status",
            "full_name",
            "birth_place",
            "birth_date",
            "sex",
            "address",
            "village_code",
            "region_code",
            "phone",
            "family_card_masked",
            "relationship",
            "ppks_categories",
            "notes",
            "warnings",
            "deceased_on",
            "version",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "nik_status", "region_code", "warnings", "version", "created_at", "updated_at")

    def get_nik_masked(self, person: Person) -> str | None:
        return "************" + person.nik_last4 if person.nik_last4 else None

    def get_family_card_masked(self, person: Person) -> str | None:
        return "************" + person.family_card_last4 if person.family_card_last4 else None

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> Person:
        nik = validated_data.pop("nik")
        person = Person(**validated_data, nik_status="unverified", created_by=UUID(int=1))
        person.nik_cipher, person.nik_index, person.nik_last4 = seal_nik(person.id, nik)
        person.save(force_insert=True)
        History.objects.create(
            entity="beneficiaries",
            entity_id=person.id,
            entity_version=1,
            action="create",
            actor_id=UUID(int=1),
            actor_role="tksk",
            request_id=uuid4(),
            operation="create",
        )
        person.refresh_from_db()  # the times are the database's
        return person


class NewestFirst(pagination.CursorPagination):
    page_size = 20
    page_size_query_param = "limit"
    ordering = ("-created_at", "-id")

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"items": data, "next_cursor": self.get_next_link()})


class People(generics.ListCreateAPIView):
    serializer_class = PersonSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> Any:
        request: Request = self.request
        return Person.objects.filter(deleted_at=None, district_code=request.query_params["district"])


class OnePerson(generics.RetrieveAPIView):
    queryset = Person.objects.filter(deleted_at=None)
    serializer_class = PersonSerializer


urlpatterns = [
    path("v1/beneficiaries", People.as_view()),
    path("v1/beneficiaries/<uuid:pk>", OnePerson.as_view()),
    path("livez", lambda _request: JsonResponse({"status": "ok"})),
]
application = get_wsgi_application()
