internal import Glibc
import Primitives
import ServiceRuntime

// The program that puts a simulated venue on ports.
extension SimulatorArguments {
    package static func main() {
        exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }

    /// Runs the program with the words after its name. Returns its exit code.
    private static func run(_ words: [String]) -> ExitCode {
        do throws(FlagProblem) {
            switch try parse(words) {
            case .help: say(page.help(port: Self().flags.port))
            case .version: say(ProductVersion.line(page.program))
            case .run(let arguments): return arguments.run()
            }
            return .success
        } catch {
            say("\(page.program): \(error)", to: 2)
            return .usage
        }
    }

    private func run() -> ExitCode {
        do throws(SimulatorFailure) {
            if let command = flags.told {
                let answer = try CommandLink(flags.address, flags.controlPort).tell(command)
                Self.say(answer)
                return answer.hasPrefix("ok") ? .success : .failure
            }
            let server = try SimulatorServer(flags, shutdown: try Self.signals()) {
                venue(start: $0)
            }
            Self.say(ports(of: server))
            try server.run()
            return .success
        } catch {
            Self.say("\(Self.page.program): \(error)", to: 2)
            return error.exitCode
        }
    }

    private static func signals() throws(SimulatorFailure) -> ShutdownSignal {
        do {
            return try ShutdownSignal.install()
        } catch {
            throw .system("blocking signals: \(error)")
        }
    }

    private func ports(of server: SimulatorServer<Venue>) -> String {
        guard flags.isJSON else {
            return "listening on \(flags.address):\(server.port), "
                + "commands on \(flags.address):\(server.controlPort)"
        }
        return JSONWriter.made { json in
            json.member("address", flags.address)
            json.member("port", server.port)
            json.member("control_port", server.controlPort)
            json.member("seed", flags.seed)
        }.text
    }

    /// A reader that has closed the pipe is not a failure.
    private static func say(_ text: String, to descriptor: Int32 = 1) {
        LineFile.writeAll(Array((text + "\n").utf8)[...], to: descriptor)
    }
}
