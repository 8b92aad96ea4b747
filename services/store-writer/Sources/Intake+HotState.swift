import HotState
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

// The packets of the hot state (`HotFeed`).
extension Intake {
    /// The interval of `feedHotState`.
    private static let feedNanoseconds: Int64 = 100_000_000

    /// Adds a tail for each input. The tail of input i is the reader i + `inputs.count`.
    func addTails() {
        for input in inputs.indices {
            let tail = readers.add(readers.input(input))
            precondition(tail == self.tail(of: input), "tails follow the inputs")
        }
    }

    private func tail(of input: Int) -> Int { input + inputs.count }

    /// Hands a packet of an input or of a tail over to the hot state, if it is for it.
    func handOver(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        guard let hotQueue, header.tickCount > 0,
            reader >= inputs.count || inputs[reader].isOpen && isForHotState(message, of: reader)
        else { return }
        hotQueue.offer(
            message, header, streamCreated: readers.streamCreated(reader), now: clock.monotonic())
    }

    private func isForHotState(_ message: NatsMessage, of input: Int) -> Bool {
        inputs[input].feed.admits(
            readers.nearness(input),
            stored: message.withReplyTo { PulledMessage(ofReplySubject: $0)?.time } ?? .undefined,
            now: clock.now())
    }

    /// Opens tails of owned inputs whose readers have not been at the tape's end for a while, and
    /// closes those whose readers are there again.
    func feedHotState() {
        let now = clock.monotonic()
        guard hotQueue != nil, now >= fedAt + Self.feedNanoseconds else { return }
        fedAt = now
        for input in inputs.indices where slots[input / 2].tenure != nil {
            let order = inputs[input].feed.follow(
                readers.nearness(input),
                isTailStopped: readers.problem(tail(of: input)) != nil, isSteady: isSteady,
                now: now)
            switch order {
            case .open:
                let start = clock.now().advanced(byNanoseconds: -HotFeed.recentNanoseconds)
                readers.open(tail(of: input), from: .time(start))
            case .close: readers.close(tail(of: input))
            case nil: break
            }
        }
        metrics.tails.set(Double(inputs.count { $0.feed == .tail }))
    }

    /// Ends the feed of an input whose partition is not owned any more.
    func unfeed(_ input: Int) {
        if inputs[input].feed == .tail { readers.close(tail(of: input)) }
        inputs[input].feed = .undecided
    }
}
