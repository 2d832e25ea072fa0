"""Make a trial stack's keys, configurations and directory in /data, once. All agencies are fictitious."""

from datetime import UTC, datetime
from pathlib import Path

from exchange.agency import Agency, Mode
from exchange.config import load_hub
from exchange.server import open_hub
from signing.dev_pki import make_pki

DATA = Path("/data")
AGENCIES = {"H56.01": "Sở Một (mô phỏng)", "H56.02": "Xã Hai (mô phỏng)"}
DATABASE = "postgresql+psycopg://vanthu@postgres:5432/postgres"

if not (DATA / "ready").exists():
    person = ("lanh-dao", "Nguyễn Văn A (mô phỏng)", "H56.01")
    make_pki(DATA / "pki", now=datetime.now(UTC), agencies=list(AGENCIES.items()), persons=[person], hosts=["hub", "node-one", "node-two"])
    (DATA / "hub.toml").write_text(
        f"""[hub]
host = "0.0.0.0"
data = "hub"
database = "{DATABASE}"
trust = "pki/trust"
tls_certificate = "pki/tls/hub.pem"
tls_ca = "pki/tls/ca.pem"
seal_key = "pki/hub/seal.pem"
log_key = "pki/hub/log.key"
witnesses = "none"
"""
    )
    for code, host, mode in (("H56.01", "node-one", "pull"), ("H56.02", "node-two", "push")):
        (DATA / f"{host}.toml").write_text(
            f"""[node]
agency = "{code}"
name = "{AGENCIES[code]}"
data = "{host}"
hub_url = "https://hub:8443"
trust = "pki/trust"
tls_certificate = "pki/tls/{code}.pem"
tls_ca = "pki/tls/ca.pem"
seal_key = "pki/agencies/{code}/seal.pem"
mode = "{mode}"
host = "0.0.0.0"
push_port = 8444
"""
        )
    hub = open_hub(load_hub(DATA / "hub.toml", {}), migrate=True)
    for code, name in AGENCIES.items():
        push = code == "H56.02"
        agency = Agency(code=code, name=name, mode=Mode.PUSH if push else Mode.PULL, endpoint="https://node-two:8444" if push else "")
        seal, tls = DATA / "pki" / "agencies" / code / "seal.pem", DATA / "pki" / "tls" / f"{code}.pem"
        hub.add_agency(agency, seal_pem=seal.read_bytes(), tls_pem=tls.read_bytes(), by="setup")
    hub.close()
    (DATA / "ready").touch()
print("ready")
