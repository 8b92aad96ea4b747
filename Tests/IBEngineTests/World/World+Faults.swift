import Primitives

// Faults.
extension World {
    mutating func fault() {
        switch Int.random(in: 0..<17, using: &random) {
        case 0, 1: drop("reset by peer")
        case 2:
            garbage.append([0, 0, 0, 40, 52])
            step(10_000_000)
            drop("half a message")
        case 3, 4: loseVendor()
        case 5: breakFarm()
        case 6: silence()
        case 7: compete()
        case 8:
            server.refusedConnections = Int.random(in: 1...3, using: &random)
            drop("restarted")
        case 9:
            connectFailures = Int.random(in: 1...8, using: &random)
            drop("gone")
        case 10: refuse()
        case 11: garbage.append(ServerMessages.frame(["1", "6", "x", "1", "abc"]))
        case 12:
            server.muteConnections = 1
            drop("mute")
        case 13: garbage.append([0xff, 0xff, 0xff, 0xff])
        case 14: emptyBook()
        case 15: end()
        default: server.send(server.words.notice(-1, 100, "Max rate of messages exceeded"), now)
        }
    }

    private mutating func loseVendor() {
        guard server.isIntroduced, !server.isVendorLost else { return }
        breakVendor()
        let wait = Int64.random(in: 100_000_000...60 * second, using: &random)
        remedies.append((now + wait, .restore(lost: Bool.random(using: &random))))
    }

    private mutating func breakFarm() {
        guard server.isIntroduced, !server.isFarmDown else { return }
        guard Bool.random(using: &random) else { return breakOtherFarm() }
        server.isFarmDown = true
        tell(2103, "Market data farm connection is broken:usfarm")
        // A shorter break that no notice ends cannot be distinguished from another farm's.
        let wait = Int64.random(in: 7 * second / 2...40 * second, using: &random)
        remedies.append((now + wait, .farmUp(isTold: Bool.random(using: &random))))
    }

    /// Breaks another farm. Data continue, and the notice that it is back comes immediately, later,
    /// or never.
    private mutating func breakOtherFarm() {
        tell(2103, "Market data farm connection is broken:jfarm")
        guard Bool.random(using: &random) else { return }
        let isAtOnce = Bool.random(using: &random)
        let wait = isAtOnce ? 0 : Int64.random(in: 0...20 * second, using: &random)
        remedies.append((now + wait, .otherFarmUp))
    }

    private var anySubscription: Int32? {
        mutating get {
            let ids = server.subscriptions.keys.sorted()
            return ids.isEmpty ? nil : ids[Int.random(in: 0..<ids.count, using: &random)]
        }
    }

    private mutating func silence() {
        guard let id = anySubscription, let subscription = server.subscriptions[id] else { return }
        // A feed of headlines alone cannot be silent in a way that is noticed.
        let hasNewsAlone = subscription.kind == .level1 && !subscription.wantsData
        // Neither can an instrument that trades alone in its place, at unknown hours.
        let isAlone = server.rerouted.contains(subscription.instrument)
        if !hasNewsAlone, !isAlone { server.subscriptions[id]?.isDead = true }
    }

    /// Empties a book. It is sent again, or is halted until it is requested again.
    private mutating func emptyBook() {
        // A book that the server has forgotten is left out: a new one would hide that it was
        // silent.
        let books = server.subscriptions.keys.sorted().filter { id in
            guard let subscription = server.subscriptions[id] else { return false }
            let isBook = subscription.kind == .depth || subscription.kind == .smartDepth
            return isBook && !subscription.isDead
        }
        guard server.hasData, let id = books.randomElement(using: &random) else { return }
        if Bool.random(using: &random) {
            server.subscriptions[id] = nil
            return server.send(server.words.notice(id, 316, "Market depth data HALTED"), now)
        }
        server.send(server.words.notice(id, 317, "Market depth data RESET"), now)
        server.sendBook(id, now)
    }

    /// Ends a subscription that has delivered.
    private mutating func end() {
        guard let id = anySubscription else { return }
        let isOfBars = server.subscriptions[id]?.kind == .bars
        server.subscriptions[id] = nil
        let all = [(354, "Not subscribed"), (10_189, "Failed to request"), (200, "No contract")]
        let (code, text) =
            isOfBars && Bool.random(using: &random)
            ? (10_225, "Bust event occurred") : all[Int.random(in: 0..<all.count, using: &random)]
        server.send(server.words.notice(id, code, text), now)
    }

    private mutating func compete() {
        guard let id = anySubscription else { return }
        if Bool.random(using: &random) {
            server.subscriptions[id]?.isDead = true
        } else {
            server.subscriptions[id]?.pausedUntil =
                now + Int64.random(in: second...30 * second, using: &random)
        }
        server.send(server.words.notice(id, 10_197, "No market data during competing"), now)
    }

    private mutating func refuse() {
        let all = [
            (354, "Requested market data is not subscribed"), (101, "Max number of tickers"),
            (10_190, "Max number of tick-by-tick requests"), (10_189, "Failed to request"),
            (322, "Duplicate ticker id"), (162, "Pacing violation"), (9_999, "Something new"),
        ]
        server.refusals.append(all[Int.random(in: 0..<all.count, using: &random)])
        drop("to be asked anew")
    }

    /// Ends all faults. A farm's break lasts as long as planned: a shorter one would not be
    /// detected.
    mutating func calm() {
        remedies = remedies.map { at, remedy in
            if case .farmUp = remedy { return (at, remedy) }
            return (now, remedy)
        }
        server.refusals = []
        server.refusedConnections = 0
        server.muteConnections = 0
        connectFailures = 0
    }
}
