# The page, on a CPU, as a user without rights:
#
#   docker build -t attnviz .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:7860:7860 attnviz
#
# pip may bring torch for CUDA, gigabytes of it. Name an index with builds for the CPU to keep the image small:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=... -t attnviz .
FROM python:3.11-slim AS build
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /src
RUN python -m venv /opt/attnviz
COPY requirements.txt ./
RUN /opt/attnviz/bin/python -m pip install --no-cache-dir --no-compile -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY attnviz ./attnviz
COPY weights ./weights
COPY assets ./assets
RUN /opt/attnviz/bin/python -m pip install --no-cache-dir --no-compile --no-deps --no-build-isolation . \
 && /opt/attnviz/bin/python -m pip uninstall --yes --quiet pip \
 && rm -rf /opt/attnviz/lib/python3.11/site-packages/torch/test /opt/attnviz/lib/python3.11/site-packages/torch/include

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 attnviz
COPY --from=build /opt/attnviz /opt/attnviz
ENV PATH=/opt/attnviz/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib ATTNVIZ_HOME=/tmp/attnviz
USER attnviz
WORKDIR /home/attnviz
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
CMD ["attnviz", "serve", "--host", "0.0.0.0"]
