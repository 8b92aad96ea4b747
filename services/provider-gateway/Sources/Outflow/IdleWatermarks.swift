import Primitives
import ServiceRuntime
import TapeTransport

/// Publishes the source's watermark on a separate lane of each stream of the tape, for readers of
/// partitions without ticks. While ticks of a stream come, one packet in 250 ms is enough, as
/// packets of ticks have watermarks, too. Without ticks it is one per second. `Outflow` owns it.
final class IdleWatermarks {
    /// The interval between two watermarks of a stream, while its ticks come and while none come.
    private static let busyNanoseconds: Int64 = 250_000_000
    private static let idleNanoseconds: Int64 = 1_000_000_000

    /// The state of one stream of the tape.
    private struct Stream {
        /// The lane of its watermarks, and the stream's lanes of ticks. A watermark is valid for
        /// all of these.
        let lane: Int
        let tickLanes: [Int]
        /// When a watermark was published last, and which one.
        var publishedAt = MonotonicTime.distantPast
        var last = Timestamp(nanoseconds: Int64.min)
        /// The sum of the tick lanes' next ordinals at that moment. While the sum is the same, no
        /// tick has been acknowledged since.
        var ordinals: UInt64 = 0
    }

    private var streams: [Stream]
    private let clock = SystemClock()

    init(_ lanes: SourceLanes) {
        streams = lanes.watermarkLanes.map { Stream(lane: $0.lane, tickLanes: $0.tickLanes) }
    }

    /// Publishes the watermarks that are due. `watermark` is the source's. No watermark passes the
    /// oldest tick of its lanes that is not acknowledged, or the time that `hold` returns for a
    /// lane. With `isLast` all streams are due, regardless of the interval. A stream whose lane
    /// still has a packet in flight is skipped.
    func publish(
        _ watermark: Timestamp, _ hold: (_ lane: Int) -> Timestamp, _ publisher: TapePublisher,
        isLast: Bool = false
    ) {
        let now = clock.monotonic()
        for index in streams.indices {
            guard isLast || now >= streams[index].publishedAt + Self.busyNanoseconds else {
                continue
            }
            let stream = streams[index]
            let ordinals = Self.ordinals(of: stream, publisher)
            guard isLast || now >= Self.dueAt(stream, ordinals: ordinals),
                publisher.isReady(lane: stream.lane)
            else { continue }
            var held = watermark
            for lane in stream.tickLanes {
                held = min(
                    held, publisher.oldestUnacknowledged(lane: lane), hold(lane))
            }
            // A watermark never goes back, even when a lane holds it back now.
            streams[index].last = max(stream.last, held)
            streams[index].publishedAt = now
            streams[index].ordinals = ordinals
            publisher.publish(lane: stream.lane, watermark: streams[index].last)
        }
    }

    /// Returns when the next watermark is due, if no tick is acknowledged until then.
    func dueAt(_ publisher: TapePublisher) -> MonotonicTime {
        streams.map { Self.dueAt($0, ordinals: Self.ordinals(of: $0, publisher)) }.min() ?? .never
    }

    private static func ordinals(of stream: Stream, _ publisher: TapePublisher) -> UInt64 {
        stream.tickLanes.reduce(0) { $0 &+ publisher.nextOrdinal(lane: $1) }
    }

    private static func dueAt(_ stream: Stream, ordinals: UInt64) -> MonotonicTime {
        stream.publishedAt + (ordinals == stream.ordinals ? idleNanoseconds : busyNanoseconds)
    }
}
