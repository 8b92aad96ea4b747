internal import Glibc
import IBSimulator
import Primitives
import ServiceRuntime

@main
enum Main {
    static func main() {
        do throws(SimulatorArguments.Problem) {
            switch try SimulatorArguments.parse(Array(CommandLine.arguments.dropFirst())) {
            case .help: write(HelpPage.text, to: 1)
            case .version: write(ProductVersion.line("ibkr-simulator"), to: 1)
            case .run(let arguments): exit(run(arguments).rawValue)
            }
        } catch {
            write("ibkr-simulator: \(error)", to: 2)
            exit(ExitCode.usage.rawValue)
        }
    }

    private static func run(_ arguments: SimulatorArguments) -> ExitCode {
        do throws(SimulatorFailure) {
            if let command = arguments.told { return try tell(command, arguments) }
            let shutdown = try signals()
            let server = try SimulatorServer(arguments, shutdown: shutdown)
            write(ports(of: server, arguments), to: 1)
            try server.run()
            return .success
        } catch {
            write("ibkr-simulator: \(error)", to: 2)
            return error.exitCode
        }
    }

    private static func tell(
        _ command: String, _ arguments: SimulatorArguments
    ) throws(SimulatorFailure) -> ExitCode {
        let answer = try CommandLink(arguments.address, arguments.controlPort).tell(command)
        write(answer, to: 1)
        return answer.hasPrefix("ok") ? .success : .failure
    }

    private static func signals() throws(SimulatorFailure) -> ShutdownSignal {
        do {
            return try ShutdownSignal.install()
        } catch {
            throw .system("blocking signals: \(error)")
        }
    }

    private static func ports(
        of server: SimulatorServer, _ arguments: SimulatorArguments
    ) -> String {
        guard arguments.isJSON else {
            return "listening on \(arguments.address):\(server.port), "
                + "commands on \(arguments.address):\(server.controlPort)"
        }
        var json = JSONWriter()
        json.object { json in
            json.member("address", arguments.address)
            json.member("port", server.port)
            json.member("control_port", server.controlPort)
            json.member("seed", arguments.seed)
        }
        return json.text
    }

    /// A reader that has closed the pipe is not a failure.
    private static func write(_ text: String, to descriptor: Int32) {
        LineFile.writeAll(Array((text + "\n").utf8)[...], to: descriptor)
    }
}

/// Why the program cannot continue.
enum SimulatorFailure: Error, CustomStringConvertible {
    case system(String)
    case portInUse(UInt16)
    case noAnswer(String)
    case badAddress(String)
    case log(String, SystemErrorCode)

    var description: String {
        switch self {
        case .system(let what): what
        case .portInUse(let port): "port \(port) is in use: choose another, or 0 for any"
        case .noAnswer(let from):
            "no simulator answers on \(from): is --control-port that of one that runs?"
        case .badAddress(let text): "'\(text)' is no IPv4 address"
        case .log(let path, let code): "cannot write \(path): \(code)"
        }
    }

    var exitCode: ExitCode {
        switch self {
        case .system: .failure
        case .portInUse: .temporary
        case .noAnswer: .unavailable
        case .badAddress: .usage
        case .log: .ioError
        }
    }
}
