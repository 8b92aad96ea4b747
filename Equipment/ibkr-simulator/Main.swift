internal import Glibc
import IBSimulator
import ServiceRuntime
import SimulatorPorts

@main
enum Main {
    static func main() {
        let program = SimulatorProgram<ServerArguments, Simulator>(
            "ibkr-simulator", help: HelpPage.text
        ) { arguments, start in
            arguments.simulator(start: start)
        }
        exit(program.run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }
}

extension Simulator: SimulatedVenue {}
