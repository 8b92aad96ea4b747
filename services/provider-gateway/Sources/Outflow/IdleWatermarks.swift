import Primitives
import ServiceRuntime
import TapeTransport

/// Publishes how far time has come, for readers of partitions without ticks: one message per stream
/// every 250 ms, and once a second while no ticks come at all.
final class IdleWatermarks {
    /// The interval while ticks come, and while none come.
    private static let busyNanoseconds: Int64 = 250_000_000
    private static let idleNanoseconds: Int64 = 1_000_000_000

    private struct Stream {
        /// The lane of its watermarks, and the lanes of ticks that these cover.
        let lane: Int
        let tickLanes: [Int]
        /// When a watermark was published last, by the monotonic clock, and which.
        var publishedAt = MonotonicTime.distantPast
        var last = Timestamp(nanoseconds: Int64.min)
        /// The sum of the lanes' next ordinals then: the same sum means that no tick came.
        var ordinals: UInt64 = 0
    }

    private var streams: [Stream]
    private let clock = SystemClock()

    init(_ lanes: SourceLanes) {
        streams = lanes.watermarkLanes.map { Stream(lane: $0.lane, tickLanes: $0.tickLanes) }
    }

    /// Publishes the watermarks that are due. `watermark` is the provider's; ticks that are not
    /// acknowledged and the time that `hold` returns for a lane hold it back. With `isLast` all
    /// streams are due, regardless of the interval.
    func publish(
        _ watermark: Timestamp, _ hold: (_ lane: Int) -> Timestamp, _ publisher: TapePublisher,
        isLast: Bool = false
    ) {
        let now = clock.monotonic()
        for index in streams.indices {
            let stream = streams[index]
            let ordinals = stream.tickLanes.reduce(0) { $0 &+ publisher.nextOrdinal(lane: $1) }
            let interval =
                ordinals == stream.ordinals ? Self.idleNanoseconds : Self.busyNanoseconds
            let isDue = now - stream.publishedAt >= interval
            guard isDue || isLast, publisher.isReady(lane: stream.lane)
            else { continue }
            var held = watermark
            for lane in stream.tickLanes {
                held = min(
                    held, publisher.oldestUnacknowledged(lane: lane), hold(lane))
            }
            // A watermark never goes back.
            streams[index].last = max(stream.last, held)
            streams[index].publishedAt = now
            streams[index].ordinals = ordinals
            publisher.publish(lane: stream.lane, watermark: streams[index].last)
        }
    }
}
