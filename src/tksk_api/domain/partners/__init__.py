"""Social partners (PSKS): people, families and institutions that help."""
