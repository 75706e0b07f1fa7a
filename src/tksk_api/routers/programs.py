from tksk_api.http.routing import Router

router = Router("programs")
