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
            var tail = readers.input(input)
            tail.role = "tail"
            let index = readers.add(tail)
            precondition(index == self.tail(of: input), "tails follow the inputs")
        }
    }

    private func tail(of input: Int) -> Int { input + inputs.count }

    /// Hands a packet of an input or of a tail over to the hot state, if it is for it.
    func handOver(_ reader: Int, _ header: PacketHeader, _ message: NatsMessage) {
        guard let hotQueue, header.tickCount > 0,
            reader >= inputs.count
                || inputs[reader].isOpen && isForHotState(message, of: reader, hotQueue)
        else { return }
        hotQueue.offer(
            message, header, streamCreated: readers.streamCreated(reader), now: clock.monotonic())
    }

    private func isForHotState(
        _ message: NatsMessage, of input: Int, _ hotQueue: HotQueue
    ) -> Bool {
        inputs[input].feed.admits(
            readers.nearness(input), age: age(of: message), life: hotQueue.lifeNanoseconds)
    }

    /// Returns how long ago the tape stored a packet, by the clocks of this host and of the server.
    private func age(of message: NatsMessage) -> Int64 {
        let stored = message.withReplyTo { PulledMessage(ofReplySubject: $0)?.time }
        return clock.now().nanoseconds(since: stored ?? .undefined)
    }

    /// Opens tails of owned inputs whose readers have not been at the tape's end for a while, and
    /// closes those whose readers have been there again for a while.
    func feedHotState() {
        let now = clock.monotonic()
        guard let hotQueue, now >= fedAt.next(every: Self.feedNanoseconds) else { return }
        fedAt = now
        for input in inputs.indices where slots[input / 2].tenure != nil {
            let order = inputs[input].feed.follow(
                readers.nearness(input),
                isTailStopped: readers.problem(tail(of: input)) != nil, isSteady: isSteady,
                now: now)
            switch order {
            case .open(let back):
                let start = clock.now().advanced(
                    byNanoseconds: -min(back, hotQueue.lifeNanoseconds))
                readers.open(tail(of: input), from: .time(start))
            case .close: readers.close(tail(of: input))
            case nil: break
            }
        }
        metrics.tails.set(Double(inputs.count { $0.feed.isTail }))
        for number in slots.indices where isSteady { orderFill(number) }
    }

    /// Orders the values of a partition from the database, once for each tenure: this process does
    /// not know them, and Valkey may have lost them.
    private func orderFill(_ number: Int) {
        let progress = InputNumber.both(of: slots[number].partition).compactMap { input in
            inputs[input].stored.map { stored in
                HotFillGate.Input(
                    isAtEnd: inputs[input].feed == .rows,
                    read: readers.position(input)?.sequence ?? 0,
                    // What is filled is what all tables have.
                    stored: stored.floor?.sequence ?? 0)
            }
        }
        guard progress.count == 2, slots[number].fill.follow(progress) else { return }
        hotFills?.add(number)
    }

    /// Withdraws the order for a partition that is not owned any more.
    func unfill(_ number: Int) {
        slots[number].fill = .closed
        hotFills?.remove(number)
    }

    /// Ends the feed of an input whose partition is not owned any more.
    func unfeed(_ input: Int) {
        if inputs[input].feed.isTail { readers.close(tail(of: input)) }
        inputs[input].feed = .undecided
    }
}
