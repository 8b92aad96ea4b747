import BinanceSimulator
internal import Glibc
import ServiceRuntime
import SimulatorPorts

@main
enum Main {
    static func main() {
        let program = SimulatorProgram<ExchangeArguments, SimulatedExchange>(
            "binance-simulator", help: HelpPage.text
        ) { arguments, start in
            arguments.exchange(start: start)
        }
        exit(program.run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }
}
