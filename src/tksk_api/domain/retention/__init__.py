"""How long what is kept, as data, and ending it when its time has come (UU 27/2022 Pasal 42-44)."""
