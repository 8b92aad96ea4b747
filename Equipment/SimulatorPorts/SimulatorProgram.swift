internal import Glibc
package import Primitives
package import ServiceRuntime

/// A program that puts a simulated venue on ports.
package struct SimulatorProgram<Arguments: SimulatorArguments, Venue: SimulatedVenue> {
    private let name: String
    private let help: String
    private let make: (Arguments, Timestamp) -> Venue

    /// `make` makes the venue, with the time at which it begins.
    package init(
        _ name: String, help: String, _ make: @escaping (Arguments, Timestamp) -> Venue
    ) {
        self.name = name
        self.help = help
        self.make = make
    }

    /// Runs the program with the words after its name. Returns its exit code.
    package func run(_ words: [String]) -> ExitCode {
        do throws(FlagProblem) {
            switch try Arguments.parse(words) {
            case .help: say(help)
            case .version: say(ProductVersion.line(name))
            case .run(let arguments): return run(arguments)
            }
            return .success
        } catch {
            say("\(name): \(error)", to: 2)
            return .usage
        }
    }

    private func run(_ arguments: Arguments) -> ExitCode {
        let flags = arguments.flags
        do throws(SimulatorFailure) {
            if let command = flags.told {
                let answer = try CommandLink(flags.address, flags.controlPort).tell(command)
                say(answer)
                return answer.hasPrefix("ok") ? .success : .failure
            }
            let server = try SimulatorServer(flags, shutdown: try signals()) {
                make(arguments, $0)
            }
            say(ports(of: server, flags))
            try server.run()
            return .success
        } catch {
            say("\(name): \(error)", to: 2)
            return error.exitCode
        }
    }

    private func signals() throws(SimulatorFailure) -> ShutdownSignal {
        do {
            return try ShutdownSignal.install()
        } catch {
            throw .system("blocking signals: \(error)")
        }
    }

    private func ports(of server: SimulatorServer<Venue>, _ flags: SimulatorFlags) -> String {
        guard flags.isJSON else {
            return "listening on \(flags.address):\(server.port), "
                + "commands on \(flags.address):\(server.controlPort)"
        }
        var json = JSONWriter()
        json.object { json in
            json.member("address", flags.address)
            json.member("port", server.port)
            json.member("control_port", server.controlPort)
            json.member("seed", flags.seed)
        }
        return json.text
    }

    /// A reader that has closed the pipe is not a failure.
    private func say(_ text: String, to descriptor: Int32 = 1) {
        LineFile.writeAll(Array((text + "\n").utf8)[...], to: descriptor)
    }
}
