import AlpacaSimulator
internal import Glibc
import ServiceRuntime
import SimulatorPorts

@main
enum Main {
    static func main() {
        let program = SimulatorProgram<AlpacaArguments, SimulatedAlpaca>(
            "alpaca-simulator", help: HelpPage.text
        ) { arguments, start in
            arguments.venue(start: start)
        }
        exit(program.run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }
}
