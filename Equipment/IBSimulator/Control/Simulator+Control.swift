package import Primitives

/// Carries out the commands of the control port. They affect all connected clients.
extension Simulator {
    /// Takes one line and returns one: `ok` with an optional result, or `error` with the reason.
    package mutating func control(_ line: String, now: Timestamp) -> String {
        guard let command = ControlCommand(line) else {
            return "error: not understood; one of: \(ControlCommand.usage)"
        }
        return carryOut(command, now) ?? "ok"
    }

    /// Returns the error, or `nil` on success.
    private mutating func carryOut(_ command: ControlCommand, _ now: Timestamp) -> String? {
        switch command {
        case .lost, .restored, .farm, .nightlyReset, .notice, .bulletin:
            tell(command, now)
            return nil
        case .competing(let symbol, let isOn):
            return change(symbol) { $0.isCompeting[$1] = isOn }
        case .lots(let symbol, let isOn): return change(symbol) { $0.isInLots[$1] = isOn }
        case .silent(let symbol, let isSilent):
            return change(symbol) { $0.isSilent[$1] = isSilent }
        case .permission(let symbol, let permission):
            return change(symbol) { $0.permissions[$1] = permission }
        case .shift(let symbol, let isDelayed): return shift(symbol, isDelayed: isDelayed, now)
        case .refuseClientID(let isOn):
            conditions.refusesClientIDs = isOn
            return nil
        case .truth(let isOn):
            guard settings.keepsTruth else { return "error: there is no truth log" }
            truth.isWanted = isOn
            return nil
        case .rate(let rate):
            let next = now.nanoseconds / 1_000_000_000 + 1
            return market.setRate(rate, from: next)
                ? "ok: from second \(next) on" : "error: the rate was changed too often"
        case .status:
            return "ok: \(sessions.count) connections, clients \(clients), "
                + "\(subscriptions) subscriptions"
        case .quit:
            isEnding = true
            return nil
        case .crash:
            isCrashing = true
            return nil
        case .haltDepth:
            eachSession { $0.haltDepth() }
            return nil
        case .resetDepth:
            let world = world(now)
            eachSession { $0.resetDepth(world) }
            return nil
        default:
            disturb(command, now)
            return nil
        }
    }

    private mutating func eachSession(_ body: (inout SimulatorSession) -> Void) {
        for place in sessions.indices { body(&sessions[place]) }
    }

    /// Changes the conditions of one symbol, or of all.
    private mutating func change(
        _ symbol: String?, _ body: (inout Conditions, Int) -> Void
    ) -> String? {
        let places = market.instruments.indices.filter {
            symbol == nil || market.instruments[$0].symbol == symbol
        }
        guard !places.isEmpty else { return "error: no instrument is called '\(symbol ?? "")'" }
        for place in places { body(&conditions, place) }
        return nil
    }

    /// Grants live data of a symbol, or withdraws them, also in the subscriptions that are open.
    private mutating func shift(_ symbol: String, isDelayed: Bool, _ now: Timestamp) -> String? {
        if let error = change(symbol, { $0.permissions[$1] = isDelayed ? .delayed : .live }) {
            return error
        }
        let world = world(now)
        eachSession { session in
            for place in world.market.instruments.indices
            where world.market.instruments[place].symbol == symbol {
                session.shift(place, isDelayed: isDelayed, world)
            }
        }
        return nil
    }

    // MARK: connections

    private mutating func disturb(_ command: ControlCommand, _ now: Timestamp) {
        let noise = noise(command)
        eachSession { session in
            switch command {
            case .close: session.link.closeNow()
            case .closeAfter(let bytes): session.link.close(after: bytes)
            case .halfFrame:
                session.link.cutNextMessage()
                // Ensures that there is a next message, even without a stream.
                session.notice(2104, "Market data farm connection is OK:sim")
            case .byteAtATime(let isOn): session.link.isByteAtATime = isOn
            case .stall(let seconds):
                session.link.stalledUntil = now.advanced(
                    byNanoseconds: seconds * 1_000_000_000)
            case .garbage: session.link.append(raw: noise)
            case .pacingError(let count): session.pacingErrors = count
            case .late(let count): session.faults.late = count
            case .duplicate(let count): session.faults.doubled = count
            case .reorder(let count): session.faults.reordered = count
            default: break
            }
        }
    }

    private mutating func noise(_ command: ControlCommand) -> [UInt8] {
        guard case .garbage(let count) = command else { return [] }
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    // MARK: the server behind

    private mutating func tell(_ command: ControlCommand, _ now: Timestamp) {
        switch command {
        case .lost: loseServer()
        case .restored(let keeps):
            conditions.isServerLost = false
            eachSession { session in
                if !keeps { session.forgetSubscriptions() }
                session.notice(
                    keeps ? 1102 : 1101,
                    "Connectivity has been restored- data \(keeps ? "maintained" : "lost").")
            }
        case .farm(.market, let isUp):
            conditions.isMarketFarmDown = !isUp
            eachSession {
                $0.notice(
                    isUp ? 2104 : 2103,
                    "Market data farm connection is \(isUp ? "OK" : "broken"):sim")
            }
        case .farm(.history, let isUp):
            conditions.isHistoryFarmDown = !isUp
            eachSession {
                $0.notice(
                    isUp ? 2106 : 2105,
                    "HMDS data farm connection is \(isUp ? "OK" : "broken"):simhmds")
            }
        case .nightlyReset(let seconds):
            eachSession {
                $0.notice(1100, "Connectivity has been lost: nightly reset.")
                $0.link.closeWhenSent()
            }
            refusesUntil = now.advanced(byNanoseconds: seconds * 1_000_000_000)
        case .notice(let code, let text): eachSession { $0.notice(code, text) }
        case .bulletin(let text):
            bulletins += 1
            let bulletin = Bulletin(id: bulletins, text: text)
            if told.count >= SimulatorLimits.bulletinsMax { told.removeFirst() }
            told.append(bulletin)
            eachSession { session in
                guard session.wantsBulletins else { return }
                session.send(bulletin)
            }
        default: break
        }
    }

    private mutating func loseServer() {
        conditions.isServerLost = true
        eachSession {
            $0.notice(1100, "Connectivity between the platform and the server has been lost.")
        }
    }
}
