import Primitives
import ServiceRuntime
import TapeTransport

/// Publishes the source's watermark on a separate lane of each stream of the tape, for readers of
/// partitions without ticks. Packets of ticks have watermarks, too. `Outflow` owns it.
final class IdleWatermarks {
    /// The state of one stream of the tape.
    private struct Stream {
        /// The lane of its watermarks, and the stream's lanes of ticks. A watermark is valid for
        /// all of these.
        let lane: Int
        let tickLanes: [Int]
        var pace = WatermarkPace()
    }

    private var streams: [Stream]
    private let clock = SystemClock()

    init(_ lanes: SourceLanes) {
        streams = lanes.watermarkLanes.map { Stream(lane: $0.lane, tickLanes: $0.tickLanes) }
    }

    /// Publishes the watermarks that are due. `watermark` is the source's. No watermark passes the
    /// oldest tick of its lanes that is not acknowledged, or the time that `hold` returns for a
    /// lane. With `isLast` all streams are due. A stream whose lane still has a packet in flight is
    /// skipped.
    func publish(
        _ watermark: Timestamp, _ hold: (_ lane: Int) -> Timestamp, _ publisher: TapePublisher,
        isLast: Bool = false
    ) {
        let now = clock.monotonic()
        for index in streams.indices {
            let stream = streams[index]
            guard isLast || stream.pace.isDue(watermark, now: now),
                publisher.isReady(lane: stream.lane)
            else { continue }
            var held = watermark
            for lane in stream.tickLanes {
                held = min(held, publisher.oldestUnacknowledged(lane: lane), hold(lane))
            }
            // One that is held back is due as soon as nothing holds it, or after a while.
            guard isLast || stream.pace.isDue(held, now: now) else { continue }
            let next = streams[index].pace.publish(held, now: now)
            publisher.publish(lane: stream.lane, watermark: next)
        }
    }

    /// Returns when the next watermark is due, if nothing but the time passes until then.
    func dueAt(_ watermark: Timestamp, now: MonotonicTime) -> MonotonicTime {
        streams.map { $0.pace.dueAt(watermark, now: now) }.min() ?? .never
    }
}
