internal import Glibc
internal import IBEngine
internal import Primitives
internal import ProviderKit
internal import MarketModel
internal import ServiceRuntime

/// The main loop of the thread `ibkr`, which alone uses the socket and the engine. Each turn of the
/// loop reads what has arrived, calls the engine, and hands the records over to the gateway in one
/// batch.
///
/// A turn calls `timePassed` only after the engine has received what came before. So a feed never
/// looks silent because this thread did not read.
final class ConnectionLoop {
    /// The most bytes of one read.
    static let readBytes = 64 * 1_024
    /// The most reads of one turn, so that records do not wait long to be handed over.
    private static let readsPerTurn = 8
    /// The interval at which the floor advances when nothing arrives.
    private static let idleNanoseconds: Int64 = .milliseconds(50)
    /// The interval at which a full channel is tried again. There is no signal when it has room.
    private static let fullNanoseconds: Int64 = .milliseconds(2)
    /// The most wishes of the engine that one turn carries out. A further one waits for the next
    /// turn.
    private static let wishesMax = 4

    private let parts: Parts
    /// Shows the watch of threads that this thread is alive.
    private let beat: ThreadBeat
    /// The host's clock. The engine gets the gateway's time instead (`moment`).
    private let clock = SystemClock()
    private let link: ServerLink
    private var engine: IBEngine
    /// The work that the engine has left for this thread.
    private var out = IBEngine.Output()
    /// The bytes of the last read.
    private var buffer = [UInt8](repeating: 0, count: ConnectionLoop.readBytes)
    /// For `poll`: the wake event, then the socket.
    private var polls: [pollfd]
    /// The two ways of records to the gateway.
    private var live: BatchSender
    private var delayed: DelayedHandOver
    /// When the channel of live data was full at the last try, monotonic; `nil` while it accepts
    /// records.
    private var fullSince: MonotonicTime?
    private var zones = ZoneRenewal()
    private var questions = TimeQuestions()
    /// The order to stop has come. The engine has ended its subscriptions.
    private var isStopping = false
    /// This turn is the last one.
    private var isOver = false

    /// Everything that the thread is given.
    struct Parts: Sendable {
        let settings: IBKRSettings
        let order: ProviderOrder
        /// The way of records to the gateway's thread.
        let channel: ProviderChannel
        /// The same of delayed data.
        let delayed: DelayedOutlet
        let inbox: ProviderInbox
        /// Wakes the thread, which waits for it in `poll`: an order has come, or the addresses of
        /// the server's name.
        let wake: WakeEvent
        let report: ConnectionReport
    }

    init(_ parts: Parts, _ beat: ThreadBeat) {
        self.parts = parts
        self.beat = beat
        link = ServerLink(parts.settings.server, wake: parts.wake)
        engine = IBEngine(parts.settings.engine)
        live = BatchSender(parts.channel, parts.report.metrics.received)
        delayed = DelayedHandOver(parts)
        polls = [
            pollfd(fd: parts.wake.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: -1, events: 0, revents: 0),
        ]
    }

    /// Runs until the order to stop comes, or the receiver closes the channel.
    func run() {
        begin()
        while !isOver { turn() }
        handOverRest()
        link.close()
        parts.delayed.end()
        parts.report.ended()
    }

    /// Gives the engine the instruments and gaps that the provider was started with.
    private func begin() {
        let order = parts.order
        let begun = order.instruments.compactMap { number in
            order.registry.instrument(number).map { (number, $0, reached: order.reached(number)) }
        }
        engine.follow(begun: begun, ended: [], gaps: order.gaps, moment(), into: &out)
        engine.timePassed(moment(), into: &out)
        carryOut()
    }

    /// Returns the present time by the gateway's clock.
    private func moment() -> Moment { parts.channel.moment() }

    // MARK: one turn

    private func turn() {
        beat.beat()
        let ready = wait()
        if ready.isWoken {
            // Cleared first, so that an order that comes meanwhile wakes the thread again.
            parts.wake.clear()
            followOrders()
            continueDelayed()
        }
        let now = moment()
        if let change = link.advance(isWritable: ready.isWritable, now: now.monotonic) {
            apply(change, now)
        }
        // With a full channel nothing is read, so no time may pass for the engine either.
        if fullSince == nil {
            readAll()
            if questions.isDue(now, host: clock.now()) { engine.askTime(now, into: &out) }
            engine.timePassed(moment(), into: &out)
        }
        carryOut()
    }

    private struct Ready {
        /// Orders of other threads, or the answer of a look-up, have come.
        var isWoken = false
        /// The socket takes bytes, or an attempt to connect has ended.
        var isWritable = false
    }

    /// Waits for bytes, orders, or the next time at which something is due. While the channel is
    /// full nothing is read, and only the channel is tried again.
    private func wait() -> Ready {
        polls[1] = link.interest(isReading: fullSince == nil)
        let now = clock.monotonic()
        let step = fullSince == nil ? Self.idleNanoseconds : Self.fullNanoseconds
        var due = min(link.deadline, now + step)
        if fullSince == nil { due = min(due, engine.nextDue) }
        // The time is rounded up, so that a wait never ends early and then spins.
        let milliseconds = due <= now ? 0 : (due - now - 1) / 1_000_000 + 1
        guard unsafe poll(&polls, nfds_t(polls.count), Int32(clamping: milliseconds)) > 0 else {
            return Ready()
        }
        let failure = Int16(POLLERR) | Int16(POLLHUP)
        return Ready(
            isWoken: polls[0].revents != 0,
            isWritable: polls[1].revents & (Int16(POLLOUT) | failure) != 0)
    }

    /// Gives the engine the orders of other threads.
    private func followOrders() {
        let orders = parts.inbox.take()
        let now = moment()
        if orders.isStopping, !isStopping {
            isStopping = true
            engine.stop(now, into: &out)
        }
        guard !isStopping else { return }
        for wish in orders.restarted {
            engine.restart(wish.instrument, wish.kind, now, into: &out)
        }
        guard !orders.begun.isEmpty || !orders.ended.isEmpty else { return }
        let begun = orders.begun.compactMap { number in
            parts.order.registry.instrument(number).map {
                (number, $0, reached: Timestamp.undefined)
            }
        }
        engine.follow(begun: begun, ended: orders.ended, gaps: [], now, into: &out)
    }

    // MARK: the socket

    /// Reads what has arrived. The floor moves only if nothing more can be read.
    private func readAll() {
        // A moment before the last read: what arrives after it may still be in the socket.
        var drained = moment()
        for _ in 0..<Self.readsPerTurn where link.isOpen {
            switch link.read(into: &buffer) {
            case .bytes(let count):
                let now = moment()
                buffer.withRawSpan { bytes in
                    engine.received(bytes.extracting(0..<count), now, into: &out)
                }
                parts.report.metrics.bytes.add(UInt64(count))
                drained = now
                // The engine closes the connection, so what follows on it is not read.
                if out.wish != nil { return }
            case .nothing: return engine.drained(drained, into: &out)
            case .ended: return apply(.lost("TWS ended the connection"), moment())
            case .failed(let code): return apply(.lost("the connection broke: \(code)"), moment())
            }
        }
    }

    /// Reports a change of the connection to the engine. Bytes for a lost connection are dropped.
    private func apply(_ change: ServerLink.Change, _ now: Moment) {
        switch change {
        case .connected: engine.connected(now, into: &out)
        case .connectFailed(let reason): engine.connectFailed(reason, now, into: &out)
        case .lost(let reason):
            link.close()
            out.bytes.removeAll(keepingCapacity: true)
            engine.lost(reason, now, into: &out)
        }
    }

    // MARK: wishes of the engine

    /// Carries out the work that the engine has left: sends bytes and changes the connection, hands
    /// the records over, and reports the events.
    private func carryOut() {
        let now = moment()
        carryOutWish(now)
        handOver(now)
        report(now)
    }

    /// Reports the engine's events, and once a second its state.
    private func report(_ now: Moment) {
        for event in out.events {
            if case .zoneWanted(let name) = event, zones.add(name) { know(name, now) }
            if case .clockDifference(let ahead) = event {
                parts.channel.report(clockAhead: ahead)
                parts.delayed.opened?.channel.report(clockAhead: ahead)
            }
            parts.report.report(event)
        }
        out.events.removeAll(keepingCapacity: true)
        if out.eventsLost > 0 { parts.report.lost(events: out.eventsLost) }
        out.eventsLost = 0
        guard parts.report.isDue(now) else { return }
        parts.report.show(
            engine.status, engine.limits(now.monotonic),
            inSession: engine.instrumentsInSession(at: now.wall), now: now)
        for name in zones.takeDue(now.monotonic) { know(name, now) }
    }

    /// Gives the engine the rules of a time zone.
    private func know(_ name: String, _ now: Moment) {
        let seconds = now.wall.nanoseconds / 1_000_000_000
        guard let rules = Zones.rules(of: name, around: seconds) else {
            return parts.report.zoneMissing(name)
        }
        engine.know(name, rules)
    }

    /// Sends the engine's bytes, and opens or closes the connection. Each change of the connection
    /// may bring new bytes and another wish, so this is repeated.
    private func carryOutWish(_ now: Moment) {
        for _ in 0..<Self.wishesMax {
            write(now)
            guard let wish = out.wish else { break }
            out.wish = nil
            switch wish {
            case .connect where !isStopping: link.connect(now: now.monotonic)
            case .connect: break
            case .close(let reason):
                apply(.lost(reason), now)
            }
            if isStopping { break }
            if let change = link.advance(isWritable: false, now: now.monotonic) {
                apply(change, now)
            }
        }
        if isStopping { isOver = true }
    }

    /// Sends the engine's bytes.
    private func write(_ now: Moment) {
        guard !out.bytes.isEmpty else { return }
        let change = link.send(out.bytes, now: now.monotonic)
        out.bytes.removeAll(keepingCapacity: true)
        if let change { apply(change, now) }
    }

    // MARK: the hand-over

    /// Hands the records and the floors over to the gateway. When the channel of live data is full,
    /// its records stay here and bytes stay in the socket, so TWS waits.
    private func handOver(_ now: Moment) {
        let outcome = live.send(&out.live)
        if outcome == .closed { isOver = true }
        let hasRoom = delayed.send(&out.delayed, now) && outcome != .full
        // The time since the last try is counted, and counting begins again.
        if let since = fullSince { parts.report.wasFull(for: now.monotonic - since) }
        fullSince = hasRoom ? nil : now.monotonic
    }

    /// Gives the engine what the source of delayed data has on the tape, once that is open.
    private func continueDelayed() {
        guard let order = delayed.begin() else { return }
        let reached = order.reached.enumerated().map { (UInt32($0.offset), $0.element) }
        engine.continueDelayed(reached: reached, gaps: order.gaps, moment(), into: &out)
    }

    /// Hands over the last records. While a channel is full it is tried again, until the receiver
    /// closes it, because the receiver no longer waits.
    private func handOverRest() {
        if parts.delayed.opened == nil { out.delayed.records.removeAll() }
        while !out.live.records.isEmpty || !out.delayed.records.isEmpty {
            // The source may be opened meanwhile. Without this its records would never leave.
            continueDelayed()
            handOver(moment())
            guard !out.live.records.isEmpty || !out.delayed.records.isEmpty else { break }
            _ = poll(nil, 0, Int32(Self.fullNanoseconds / 1_000_000))
        }
    }
}
