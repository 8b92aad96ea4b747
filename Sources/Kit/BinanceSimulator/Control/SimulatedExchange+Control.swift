package import Primitives

/// Carries out the commands of the control port. They affect all connections of that moment, or
/// with `one` before them the oldest one.
extension SimulatedExchange {
    /// Takes one line and returns one: `ok` with an optional result, or `error` with the reason.
    package mutating func control(_ line: String, now: Timestamp) -> String {
        let isOne = line.hasPrefix("one ")
        let command = ExchangeCommand(isOne ? String(line.dropFirst(4)) : line)
        guard let command, !isOne || command.isDisturbance else {
            return "error: not understood; one of: \(ExchangeCommand.usage)"
        }
        switch command {
        case .lose(let count): tradesToLose += count
        case .down(let seconds):
            refusesUntil = now.advanced(byNanoseconds: seconds * 1_000_000_000)
            eachConnection { $0.out.closeNow() }
        case .limit(let count, let seconds):
            requestsToLimit = count
            retrySeconds = seconds
        case .ban(let seconds):
            bannedUntil = now.advanced(byNanoseconds: seconds * 1_000_000_000)
        case .status:
            let sockets = connections.filter {
                $0.isWebSocket && !$0.isHalfOpen && !$0.isMute(now) && !$0.out.isClosing
            }
            let streams = sockets.reduce(0) { $0 + $1.streams.count }
            return "ok: \(sockets.count) connections, \(streams) streams"
        case .quit: isEnding = true
        case .crash: isCrashing = true
        case .cut, .close, .truncate, .mute, .halfOpen, .garbage, .badJSON, .oversized, .shutdown:
            disturb(command, isOne: isOne, now)
        }
        return "ok"
    }

    /// Disturbs all WebSockets, or the oldest one.
    private mutating func disturb(_ command: ExchangeCommand, isOne: Bool, _ now: Timestamp) {
        let bytes = garbage(command)
        var isOver = false
        eachConnection { connection in
            guard connection.isWebSocket, !connection.isHalfOpen, !connection.out.isClosing, !isOver
            else { return }
            isOver = isOne
            switch command {
            case .cut: connection.out.closeNow()
            case .close(let code): connection.close(code)
            case .truncate: connection.out.cutNextTrade()
            case .mute(let seconds):
                connection.muteUntil = now.advanced(byNanoseconds: seconds * 1_000_000_000)
            case .halfOpen: connection.isHalfOpen = true
            case .garbage: connection.out.append(raw: bytes)
            case .badJSON:
                connection.send(
                    .text(Array("{\"e\":\"trade\",\"s\":\"".utf8)), QueuedMessage(kind: "fault"))
            case .oversized(let count):
                connection.send(
                    .text([UInt8](repeating: UInt8(ascii: "9"), count: count)),
                    QueuedMessage(kind: "fault"))
            case .shutdown(let seconds):
                let event = ExchangeMessages.shutdown(now, isCombined: connection.isCombined)
                connection.send(.text(event), QueuedMessage(kind: "shutdown"))
                connection.endsAt = now.advanced(byNanoseconds: seconds * 1_000_000_000)
            case .lose, .down, .limit, .ban, .status, .quit, .crash: break
            }
        }
    }

    /// Bytes that no frame of a server begins with: reserved bits are set.
    private mutating func garbage(_ command: ExchangeCommand) -> [UInt8] {
        guard case .garbage(let count) = command else { return [] }
        return (0..<count).map { _ in 0xf0 | UInt8(truncatingIfNeeded: random.next()) }
    }

    private mutating func eachConnection(_ body: (inout ExchangeConnection) -> Void) {
        for place in connections.indices { body(&connections[place]) }
    }
}
