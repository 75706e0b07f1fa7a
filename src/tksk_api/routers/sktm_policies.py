from tksk_api.http.routing import Router

router = Router("sktm_policies")
