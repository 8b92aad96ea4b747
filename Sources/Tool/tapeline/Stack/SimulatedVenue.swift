/// A simulator that a stack can have, by the name of its provider.
enum SimulatedVenue: String, CaseIterable, Sendable {
    case ibkr
    case binance
    case alpaca
    case massive

    var program: String { "\(rawValue)-simulator" }

    var port: StackPorts.Name {
        switch self {
        case .ibkr: .simulator
        case .binance: .binanceSimulator
        case .alpaca: .alpacaSimulator
        case .massive: .massiveSimulator
        }
    }

    var controlPort: StackPorts.Name {
        switch self {
        case .ibkr: .simulatorControl
        case .binance: .binanceSimulatorControl
        case .alpaca: .alpacaSimulatorControl
        case .massive: .massiveSimulatorControl
        }
    }

    /// The name of the shipped list of its instruments.
    var instruments: String {
        switch self {
        case .ibkr: "benchmarks"
        case .binance: "coins"
        case .alpaca: "us-stocks"
        case .massive: "massive-stocks"
        }
    }

    /// Returns the simulators of a source's providers (`GATEWAY_PROVIDER`).
    static func all(of providers: String) -> [SimulatedVenue] {
        providers.split(separator: ",").compactMap { SimulatedVenue(rawValue: String($0)) }
    }
}
