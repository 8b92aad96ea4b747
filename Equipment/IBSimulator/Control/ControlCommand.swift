/// A command of the control port, which is one line.
package enum ControlCommand: Equatable, Sendable {
    package enum Farm: String, Sendable { case market, history }

    case close
    case closeAfter(bytes: Int)
    case halfFrame
    case byteAtATime(Bool)
    case stall(seconds: Int64)
    case garbage(Int)
    case notice(Int32, String)
    case lost
    case restored(keeps: Bool)
    case farm(Farm, isUp: Bool)
    case nightlyReset(seconds: Int64)
    /// `nil` means all symbols.
    case competing(String?, Bool)
    /// Live sizes come in lots, and the volume of the day in shares.
    case lots(String?, Bool)
    case refuseClientID(Bool)
    case pacingError(Int)
    case late(Int)
    case duplicate(Int)
    case reorder(Int)
    case haltDepth
    case resetDepth
    case bulletin(String)
    case rate(Int)
    case silent(String, Bool)
    case permission(String, SimulatedInstrument.Permission)
    /// The open subscriptions go on with the other kind of data, and message 58 says so.
    case shift(String, isDelayed: Bool)
    /// While this is off, messages are sent without being logged.
    case truth(Bool)
    case status
    case quit
    case crash

    /// The list of commands that answers an unknown one.
    package static let usage =
        "close | close-after BYTES | half-frame | byte-at-a-time on|off | stall SECONDS | "
        + "garbage BYTES | notice CODE TEXT | lost | restored keep|lose | "
        + "farm market|history down|up | nightly-reset [SECONDS] | down [SECONDS] | "
        + "competing SYMBOL|all on|off | "
        + "lots SYMBOL|all on|off | "
        + "refuse-client-id on|off | pacing-error [N] | late N | duplicate N | reorder N | "
        + "halt-depth | reset-depth | bulletin TEXT | rate N | stop SYMBOL | start SYMBOL | "
        + "permission SYMBOL live|delayed|delayed-anyway|none | "
        + "shift SYMBOL live|delayed | truth on|off | status | quit | "
        + "crash"

    /// Returns `nil` if the line is not understood.
    package init?(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        guard let name = words.first else { return nil }
        let rest = Array(words.dropFirst())
        guard
            let command = Self.alone(name, rest) ?? Self.counted(name, rest)
                ?? Self.switched(name, rest)
        else { return nil }
        self = command
    }

    private static func alone(_ name: String, _ rest: [String]) -> ControlCommand? {
        let plain: [String: ControlCommand] = [
            "close": .close, "half-frame": .halfFrame, "lost": .lost, "halt-depth": .haltDepth,
            "reset-depth": .resetDepth, "status": .status, "quit": .quit, "crash": .crash,
            "pacing-error": .pacingError(1), "nightly-reset": .nightlyReset(seconds: 20),
            "down": .nightlyReset(seconds: 5),
        ]
        return rest.isEmpty ? plain[name] : nil
    }

    private static func counted(_ name: String, _ rest: [String]) -> ControlCommand? {
        guard rest.count == 1, let count = Int(rest[0]), (0...1_000_000_000).contains(count) else {
            return nil
        }
        switch name {
        case "close-after": return .closeAfter(bytes: count)
        case "stall": return .stall(seconds: Int64(min(count, 86_400)))
        case "garbage": return count <= 1 << 20 ? .garbage(count) : nil
        case "nightly-reset", "down": return .nightlyReset(seconds: Int64(min(count, 86_400)))
        case "pacing-error": return .pacingError(count)
        case "late": return .late(count)
        case "duplicate": return .duplicate(count)
        case "reorder": return .reorder(count)
        case "rate": return count <= SimulatorLimits.rateMax ? .rate(count) : nil
        default: return nil
        }
    }

    private static func switched(_ name: String, _ rest: [String]) -> ControlCommand? {
        let isOn = rest.last.flatMap { ["on": true, "off": false][$0] }
        switch (name, rest.count) {
        case ("byte-at-a-time", 1): return isOn.map { .byteAtATime($0) }
        case ("refuse-client-id", 1): return isOn.map { .refuseClientID($0) }
        case ("truth", 1): return isOn.map { .truth($0) }
        case ("competing", 2):
            return isOn.map { .competing(rest[0] == "all" ? nil : rest[0], $0) }
        case ("lots", 2): return isOn.map { .lots(rest[0] == "all" ? nil : rest[0], $0) }
        case ("restored", 1):
            return ["keep": true, "lose": false][rest[0]].map { .restored(keeps: $0) }
        case ("farm", 2):
            guard let farm = Farm(rawValue: rest[0]),
                let isUp = ["up": true, "down": false][rest[1]]
            else { return nil }
            return .farm(farm, isUp: isUp)
        case ("stop", 1): return .silent(rest[0], true)
        case ("start", 1): return .silent(rest[0], false)
        case ("permission", 2):
            return SimulatedInstrument.Permission(rawValue: rest[1]).map {
                .permission(rest[0], $0)
            }
        case ("shift", 2):
            return ["live": false, "delayed": true][rest[1]].map {
                .shift(rest[0], isDelayed: $0)
            }
        case ("notice", 2...):
            return Int32(rest[0]).map {
                .notice($0, rest.dropFirst().joined(separator: " "))
            }
        case ("bulletin", 1...): return .bulletin(rest.joined(separator: " "))
        default: return nil
        }
    }
}
