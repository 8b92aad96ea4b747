package import Primitives

/// Carries out the commands of the control port. They affect all connections of that moment, or
/// with `one` before them the oldest one.
extension WebVenue {
    /// The list of commands that answers an unknown one.
    package static var usage: String {
        let own = Site.ownCommands.isEmpty ? "" : " | " + Site.ownCommands
        return WebCommand.usage + own + WebCommand.lastUsage
    }

    /// Takes one line and returns one: `ok` with an optional result, or `error` with the reason.
    package mutating func control(_ line: String, now: Timestamp) -> String {
        let refusal = "error: not understood; one of: \(Self.usage)"
        let isOne = line.hasPrefix("one ")
        let command = WebCommand(isOne ? String(line.dropFirst(4)) : line)
        guard let command, !isOne || command.isDisturbance else { return refusal }
        switch command {
        case .down(let seconds):
            refusesUntil = now.advanced(byNanoseconds: seconds * 1_000_000_000)
            eachConnection {
                $0.isEndedCleanly = true
                $0.out.closeNow()
            }
        case .limit(let count, let seconds):
            requestFaults.order(.limited(retrySeconds: seconds), count: count)
        case .ban(let seconds):
            requestFaults.ban(until: now.advanced(byNanoseconds: seconds * 1_000_000_000))
        case .fail(let count, let status):
            requestFaults.order(.refused(status: status), count: count)
        case .refuse(let count, let status): refusedSockets = (count, status)
        case .halve(let count): requestFaults.order(.halved, count: count)
        case .late(let count, let seconds):
            requestFaults.order(.late(seconds: seconds), count: count)
        case .reset(let count): requestFaults.order(.reset, count: count)
        case .sever(let count): requestFaults.order(.severed, count: count)
        case .hang(let count): requestFaults.order(.hung, count: count)
        case .junk(let count): requestFaults.order(.junk, count: count)
        case .wrong(let count): requestFaults.order(.wrong, count: count)
        case .swell(let count, let bytes):
            requestFaults.order(.swollen(bytes: bytes), count: count)
        case .status:
            let sockets = connections.filter { $0.isDelivering(now) }
            let streams = sockets.reduce(0) { $0 + site.streams(of: $1.session) }
            return "ok: \(sockets.count) connections, \(streams) streams"
        case .quit: isEnding = true
        case .crash: isCrashing = true
        case .own(let name, let numbers): return site.control(name, numbers, now: now) ?? refusal
        case .cut, .close, .truncate, .mute, .slow, .halfOpen, .garbage, .badJSON, .oversized,
            .shutdown:
            disturb(command, isOne: isOne, now)
        }
        return "ok"
    }

    /// Disturbs all WebSockets, or the oldest one.
    private mutating func disturb(_ command: WebCommand, isOne: Bool, _ now: Timestamp) {
        let bytes = garbage(command)
        let site = site
        var isOver = false
        eachConnection { connection in
            guard connection.isWebSocket, !connection.faults.isHalfOpen,
                !connection.out.isClosing, !isOver
            else { return }
            isOver = isOne
            let fault = QueuedMessage(kind: "fault")
            switch command {
            case .cut: connection.out.closeNow()
            case .close(let code): connection.close(code)
            case .truncate: connection.out.cutNextRecord()
            case .mute(let seconds):
                connection.faults.muteUntil = now.advanced(byNanoseconds: seconds * 1_000_000_000)
            case .slow(let seconds):
                connection.faults.heldUntil = now.advanced(byNanoseconds: seconds * 1_000_000_000)
            case .halfOpen: connection.faults.isHalfOpen = true
            case .garbage: connection.out.append(raw: bytes)
            case .badJSON: connection.send(site.badFrame(for: connection.session), fault)
            case .oversized(let count):
                connection.send(.text([UInt8](repeating: UInt8(ascii: "9"), count: count)), fault)
            case .shutdown(let seconds):
                if let frame = site.shutdownFrame(for: connection.session, now: now) {
                    connection.send(frame, QueuedMessage(kind: "shutdown"))
                }
                connection.faults.endsAt = now.advanced(byNanoseconds: seconds * 1_000_000_000)
            case .down, .limit, .ban, .fail, .refuse, .halve, .late, .reset, .sever, .hang, .junk,
                .wrong,
                .swell, .status, .quit, .crash, .own:
                break
            }
        }
    }

    /// Bytes that no frame of a server begins with: reserved bits are set.
    private mutating func garbage(_ command: WebCommand) -> [UInt8] {
        guard case .garbage(let count) = command else { return [] }
        return garbage(count)
    }

    mutating func garbage(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in 0xf0 | UInt8(truncatingIfNeeded: random.next()) }
    }

    private mutating func eachConnection(_ body: (inout Site.Connection) -> Void) {
        for place in connections.indices { body(&connections[place]) }
    }
}
