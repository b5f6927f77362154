# Two stages: pip and its caches stay in the first, so that the image holds Python and one virtual environment.
ARG PYTHON=3.13.14-slim-trixie

FROM python:${PYTHON} AS build
# Further extras by name: --build-arg EXTRAS="postgres otel" adds tracing.
ARG EXTRAS="postgres"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/retake
COPY pyproject.toml requirements.lock ./
# What Retake needs, apart from Retake: a change of its code leaves this layer as it is.
RUN python -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
      print(*p["dependencies"], *[d for e in sys.argv[1:] for d in p["optional-dependencies"][e]], sep="\n")' \
      ${EXTRAS} > wanted.txt && \
    python -m pip --python /opt/retake install --quiet --constraint requirements.lock --requirement wanted.txt
# Almost a quarter of what was installed serves no worker: tests, type stubs, LiteRT's support for graphics and phone
# chips and what only its converter needs, random numbers, and how wide emoji are in each of twenty terminals.
RUN cd /opt/retake/lib/python3.*/site-packages && \
    find . -type d -name tests -prune -exec rm -r {} + && find . -name '*.pyi' -delete && \
    rm -rf ai_edge_litert/libLiteRtWebGpuAccelerator.so ai_edge_litert/vendors ai_edge_litert/tools ml_dtypes tqdm \
      numpy/_core/include numpy/f2py numpy/random sqlalchemy/testing pygments/lexers/__pycache__ \
      wcwidth/table_grapheme_overrides/_known_* wcwidth/table_grapheme_overrides/__pycache__/_known_* && \
    /opt/retake/bin/python -c 'import celery.bin.celery, PIL.Image, pillow_heif, sqlalchemy, ai_edge_litert.interpreter'
COPY README.md LICENSE ./
COPY models models
COPY tasks tasks
COPY worker worker
RUN python -m pip --python /opt/retake install --quiet --no-deps .

FROM python:${PYTHON}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Retake" \
      org.opencontainers.image.description="Scores uploaded photos and asks sellers to retake the bad ones" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# A fixed number, so that files and volumes can be given to it from outside.
RUN groupadd --system --gid 10001 retake && useradd --system --uid 10001 --gid retake --no-create-home --home /tmp retake
COPY --from=build /opt/retake /opt/retake
ENV PATH=/opt/retake/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["retake"]
CMD ["worker"]
