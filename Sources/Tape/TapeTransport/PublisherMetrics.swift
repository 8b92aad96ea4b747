internal import TapeCodec
internal import ServiceRuntime

/// Counters of what the tape acknowledged, increased per packet.
struct PublisherMetrics {
    private let packets: Counter
    private let ticks: Counter
    private let bytes: Counter
    private let latency: Histogram

    init(_ metrics: MetricRegistry) {
        packets = metrics.counter(
            "mds_tape_packets_published_total", "a packet that the tape acknowledged")
        ticks = metrics.counter(
            "mds_tape_ticks_published_total", "a tick, or a bar, in an acknowledged packet")
        bytes = metrics.counter(
            "mds_tape_bytes_published_total", "a byte of an acknowledged packet")
        latency = metrics.histogram(
            "mds_tape_ack_latency_seconds",
            "from a packet's first publish to its acknowledgement, in seconds",
            "rises: check the disks of NATS")
    }

    func acknowledged(_ header: PacketHeader, nanoseconds: Int64) {
        packets.add()
        ticks.add(UInt64(header.tickCount))
        bytes.add(UInt64(header.byteCount))
        latency.observe(Double(nanoseconds) / 1e9)
    }
}
