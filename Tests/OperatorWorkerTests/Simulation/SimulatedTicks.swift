import MarketModel
import Primitives
import SimulationKit

/// The input of one partition on a tape: a market from a seed, with properties that differ between
/// worlds.
struct SimulatedTicks {
    static let streamCreated = SimulatedInput.streamCreated

    let packets: [SimulatedPacket]

    init(withRepairs: Bool = false, using random: inout SeededRandom) {
        var weather = MarketWeather(using: &random, withRepairs: withRepairs)
        // Enough for checkpoints, but not more than a world has steps for.
        weather.packets = Int.random(in: 24...36, using: &random)
        packets = SimulatedInput(weather, using: &random).packets
    }
}
