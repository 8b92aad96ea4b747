internal import Glibc
import PolledSimulator
import ServiceRuntime
import SimulatorPorts

@main
enum Main {
    static func main() {
        let program = SimulatorProgram<PolledArguments, SimulatedServices>(
            "polled-simulator", help: HelpPage.text
        ) { arguments, start in
            arguments.venue(start: start)
        }
        exit(program.run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }
}
