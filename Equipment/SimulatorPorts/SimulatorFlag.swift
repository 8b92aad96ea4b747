import ServiceRuntime

/// A flag that only some simulators have, with what the help says of it.
package struct SimulatorFlag<Arguments> {
    let name: String
    /// What stands for its value in the help; `nil` for a flag without one.
    let value: String?
    /// In lines as the help has them.
    let says: String
    let set: (inout Arguments, String) throws(FlagProblem) -> Void

    /// A flag with a value.
    package init(
        _ name: String, _ value: String, _ says: String,
        _ set: @escaping (inout Arguments, String) throws(FlagProblem) -> Void
    ) {
        (self.name, self.value, self.says, self.set) = (name, value, says, set)
    }

    /// A flag without a value.
    package init(_ name: String, _ says: String, _ set: @escaping (inout Arguments) -> Void) {
        (self.name, value, self.says) = (name, nil, says)
        self.set = { (arguments, _) throws(FlagProblem) in set(&arguments) }
    }

    /// A flag with a number of this range.
    package static func number<Number: BinaryInteger>(
        _ name: String, of value: String = "N", _ range: ClosedRange<Int>,
        _ path: WritableKeyPath<Arguments, Number>, _ says: String
    ) -> Self {
        Self(name, value, says) { (arguments, text) throws(FlagProblem) in
            arguments[keyPath: path] = Number(try SimulatorFlags.number(name, text, range))
        }
    }

    /// A flag with a number of this range, without which there is no bound.
    package static func bound(
        _ name: String, _ range: ClosedRange<Int>, _ path: WritableKeyPath<Arguments, Int?>,
        _ says: String
    ) -> Self {
        Self(name, "N", says) { (arguments, text) throws(FlagProblem) in
            arguments[keyPath: path] = try SimulatorFlags.number(name, text, range)
        }
    }

    /// A flag with any text.
    package static func text(
        _ name: String, _ path: WritableKeyPath<Arguments, String>, _ says: String
    ) -> Self {
        Self(name, "TEXT", says) { (arguments, text) throws(FlagProblem) in
            arguments[keyPath: path] = text
        }
    }

    var help: String {
        let flag = "  \(name) \(value ?? "")"
        let margin = String(repeating: " ", count: 23)
        return flag + String(margin.dropFirst(flag.count))
            + says.split(separator: "\n").joined(separator: "\n\(margin)")
    }
}

/// What the help of a simulator says.
package struct SimulatorPage<Arguments> {
    package let program: String
    let about: String
    /// The flags that other simulators do not have, by the headings above them. Those that all
    /// have, as `--seed`, are `SimulatorFlags`.
    let ownFlags: [(heading: String, flags: [SimulatorFlag<Arguments>])]
    /// An example of its arguments.
    let example: String
    /// The commands of the control port, separated by bars, and one of them.
    let commands: (usage: String, example: String)

    package init(
        _ program: String, about: String,
        ownFlags: [(heading: String, flags: [SimulatorFlag<Arguments>])], example: String,
        commands: (usage: String, example: String)
    ) {
        (self.program, self.about, self.ownFlags) = (program, about, ownFlags)
        (self.example, self.commands) = (example, commands)
    }

    func help(port: UInt16) -> String {
        let own = ownFlags.map { heading, flags in
            ([heading] + flags.map(\.help)).joined(separator: "\n")
        }
        return """
            \(program) \(ProductVersion.text): \(about)

            Usage: \(program) [OPTION]...

            \(own.joined(separator: "\n\n"))

            \(SimulatorFlags.help(port: port))

            Examples
              \(program) --port \(port) \(example)
              \(program) --port 0 --control-port 0 --truth truth.ndjson --json
              \(program) --control-port 4100 --tell '\(commands.example)'

            Commands of the control port, one per line, one answer each
              \(SimulatorFlags.lines(of: commands.usage))

            \(SimulatorFlags.exitCodes)
            """
    }
}
