import MarketModel
import Primitives
import SimulationKit

/// The input of one partition as it stands on a tape: a market from a seed, whose weather differs
/// from world to world.
struct SimulatedTicks {
    static let streamCreated = SimulatedMarket.streamCreated

    let packets: [StoredPacket]

    init(withRepairs: Bool = false, using random: inout SeededRandom) {
        var weather = MarketWeather(using: &random, withRepairs: withRepairs)
        // Enough for checkpoints, and not more than a world has steps for.
        weather.packets = Int.random(in: 24...36, using: &random)
        packets = SimulatedMarket(weather, using: &random).packets
    }
}
