package import Primitives

/// The flags that all simulators have: where they listen, their logs, and their run.
package struct SimulatorFlags: Equatable, Sendable {
    /// For clients; 0: any that is free.
    package var port: UInt16
    /// For commands; 0: any that is free.
    package var controlPort: UInt16 = 0
    package var address = "127.0.0.1"
    /// Of all that happens in the simulated market.
    package var seed: UInt64 = 1
    /// The file of the log of what was sent; `nil`: none is written.
    package var truth: String?
    /// The file of the log of all that happened; `nil`: none is written.
    package var marketLog: String?
    package var isJSON = false
    /// A command for a running simulator; `nil`: run one.
    package var told: String?

    package init(port: UInt16) { self.port = port }

    /// Returns the help on these flags; clients expect a server at `port`.
    package static func help(port: UInt16) -> String {
        """
        Where
          --port N             for clients; 0: any that is free (\(port) if not given)
          --control-port N     for commands; 0: any that is free
          --address ADDRESS    to listen on, 127.0.0.1 if not given

        Logs, one line of JSON per entry
          --truth FILE         every message that was sent, in order, when its last byte went
          --market-log FILE    all that happened in the market, sent or not

        The run
          --seed N             of all that happens, 1 if not given
          --json               tell the ports as one line of JSON
          --tell COMMAND       run no simulator: give the one of --control-port a command
          --help, --version
        """
    }

    package static let exitCodes = """
        Exit codes
          0   stopped by SIGTERM, SIGINT or 'quit', or what was told is done
          1   a command was refused
          64  the arguments are wrong
          69  there is no simulator to tell something
          74  a log cannot be written
          75  a port is in use
        """

    /// Takes the value of a flag. Returns false for one that only some simulators have.
    mutating func set(_ flag: String, _ value: String) throws(FlagProblem) -> Bool {
        switch flag {
        case "--port": port = UInt16(try Self.number(flag, value, 0...65_535))
        case "--control-port": controlPort = UInt16(try Self.number(flag, value, 0...65_535))
        case "--address": address = value
        case "--seed":
            guard let number = UInt64(value) else {
                throw FlagProblem("\(flag) wants a whole number, not '\(value.prefix(20))'")
            }
            seed = number
        case "--tell": told = value
        case "--truth": truth = value
        case "--market-log": marketLog = value
        default: return false
        }
        return true
    }

    /// Reads a whole number of this range.
    package static func number(
        _ flag: String, _ value: String, _ range: ClosedRange<Int>
    ) throws(FlagProblem) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw FlagProblem(
                "\(flag) wants a number from \(range.lowerBound) to "
                    + "\(range.upperBound), not '\(value.prefix(20))'")
        }
        return number
    }

    /// Reads a list of names, each of which may occur once.
    package static func names(
        _ flag: String, _ value: String, countMax: Int, example: String
    ) throws(FlagProblem) -> [String] {
        let names = value.split(separator: ",").map(String.init)
        guard (1...countMax).contains(names.count), Set(names).count == names.count else {
            throw FlagProblem("\(flag) wants symbols, each once: \(example)")
        }
        return names
    }

    /// The same, with what each name stands for.
    package static func names<Name>(
        _ flag: String, _ value: String, countMax: Int, example: String,
        _ read: (String) -> Name?
    ) throws(FlagProblem) -> [Name] {
        var found: [Name] = []
        for name in try names(flag, value, countMax: countMax, example: example) {
            guard let known = read(name) else {
                throw FlagProblem(
                    "'\(name.prefix(40))' is no symbol of \(flag): write it like \(example)")
            }
            found.append(known)
        }
        return found
    }

    /// Formats a list separated by bars as lines of a few entries each.
    package static func lines(of commands: String) -> String {
        var lines = [""]
        for entry in commands.split(separator: "|") {
            let word = entry.split(separator: " ").joined(separator: " ")
            if (lines.last?.count ?? 0) + word.count > 80 { lines.append("") }
            lines[lines.count - 1] += (lines.last?.isEmpty == true ? "" : " | ") + word
        }
        return lines.joined(separator: "\n  ")
    }
}

/// What is wrong with the arguments.
package struct FlagProblem: Error, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// The arguments of one simulator, which is a program with `@main`.
package protocol SimulatorArguments {
    associatedtype Venue: SimulatedVenue

    init()
    var flags: SimulatorFlags { get set }
    static var page: SimulatorPage<Self> { get }
    /// Makes the venue that the flags describe.
    func venue(start: Timestamp) -> Venue
}

/// What the arguments ask for.
package enum SimulatorWish<Arguments> {
    case run(Arguments)
    case help
    case version
}

extension SimulatorArguments {
    /// Reads the words after the program's name: flags, each with its value as the next word or
    /// after an equals sign.
    package static func parse(
        _ words: [String]
    ) throws(FlagProblem) -> SimulatorWish<Self> {
        var arguments = Self()
        let ownFlags = page.ownFlags.flatMap(\.flags)
        var rest = words[...]
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            let flag = parts.first ?? ""
            if ["--help", "-h", "help"].contains(flag) { return .help }
            if flag == "--version" { return .version }
            if flag == "--json" {
                arguments.flags.isJSON = true
                continue
            }
            let own = ownFlags.first { $0.name == flag }
            if let own, own.value == nil, parts.count == 1 {
                try own.set(&arguments, "")
                continue
            }
            guard flag.hasPrefix("--") else {
                throw FlagProblem("'\(word.prefix(64))' is no flag: see --help")
            }
            guard let value = parts.count > 1 ? parts[1] : rest.popFirst() else {
                throw FlagProblem("\(flag) wants a value")
            }
            if try arguments.flags.set(flag, value) { continue }
            guard let own, own.value != nil else {
                throw FlagProblem("'\(flag.prefix(64))' is no flag: see --help")
            }
            try own.set(&arguments, value)
        }
        return .run(arguments)
    }
}
