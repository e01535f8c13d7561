# The service in a container: no torch, no training code, no root.
#   docker build -t rgbd-motion .
#   docker build -t rgbd-motion:gpu --build-arg RUNTIME=gpu .     NVIDIA driver 580 or newer

FROM python:3.11-slim AS build
# Which runtime is installed: cpu or gpu, as the extras of pyproject.toml are called.
ARG RUNTIME=cpu
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE rgbd_motion.py ./
COPY rgbd rgbd
COPY export/__init__.py export/
COPY export/bundle export/bundle
COPY export/runtimes export/runtimes
COPY export/predictor export/predictor
COPY serve serve
COPY configs configs
RUN --mount=type=cache,target=/root/.cache/pip pip install -c constraints.txt ".[serve,$RUNTIME]"
# CUDA and cuDNN come as Python packages of the versions that this onnxruntime-gpu was built for, so that both kinds
# stand on the same small base. The GPU build is released later than the CPU's, hence a version of its own.
RUN --mount=type=cache,target=/root/.cache/pip \
    if [ "$RUNTIME" = gpu ]; then pip install -c constraints.txt "onnxruntime-gpu[cuda,cudnn]==1.31.1"; fi
# OpenVINO reports through this package, and does without it.
RUN pip uninstall --yes openvino-telemetry

FROM python:3.11-slim
COPY --from=build /venv /venv
# ONNX Runtime finds CUDA where the system's linker does.
RUN find /venv -path '*/nvidia/*' -name lib -type d > /etc/ld.so.conf.d/nvidia.conf && ldconfig \
    && useradd --system --uid 10001 --home-dir /tmp service
# The service switches it off by itself, too: see docs/serving.md, "Nothing calls home".
ENV ORT_DISABLE_TELEMETRY=1
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RGBD_MOTION_LOG_FORMAT=json
USER service
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/v2/health/live', timeout=4)"]
ENTRYPOINT ["python", "-m", "serve", "--bundle", "/bundle", "--host", "0.0.0.0"]
# Without keys it starts only with --allow-anonymous.
CMD ["--device", "cpu"]
