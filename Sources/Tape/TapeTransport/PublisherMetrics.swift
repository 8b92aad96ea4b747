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
            "mds_tape_packets_published_total", "Packets that the tape acknowledged.")
        ticks = metrics.counter(
            "mds_tape_ticks_published_total", "Ticks (or bars) in acknowledged packets.")
        bytes = metrics.counter(
            "mds_tape_bytes_published_total", "Bytes of acknowledged packets.")
        latency = metrics.histogram(
            "mds_tape_ack_latency_seconds", "From a packet's first publish to its acknowledgement.",
            buckets: Histogram.latencySeconds)
    }

    func acknowledged(_ header: PacketHeader, nanoseconds: Int64) {
        packets.add()
        ticks.add(UInt64(header.tickCount))
        bytes.add(UInt64(header.byteCount))
        latency.observe(Double(nanoseconds) / 1e9)
    }
}
