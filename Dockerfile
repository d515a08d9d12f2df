# syntax=docker/dockerfile:1
# One static binary on a distroless base: no shell, no package manager, not root.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w" -o /out/callwatch ./cmd/callwatch \
 && mkdir -p /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/callwatch /usr/local/bin/callwatch
COPY --from=build --chown=nonroot:nonroot /out/data /var/lib/callwatch
ENV CALLWATCH_DATA_DIR=/var/lib/callwatch \
    CALLWATCH_RULES=/etc/callwatch/rules.yaml
COPY rules.yaml /etc/callwatch/rules.yaml
VOLUME /var/lib/callwatch
EXPOSE 8080
USER nonroot
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 \
  CMD ["/usr/local/bin/callwatch", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/callwatch"]
CMD ["serve", "--log-json"]
