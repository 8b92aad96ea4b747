import MarketModel
import Primitives
import SimulationKit

/// The input of one partition on a tape: a market from a seed, with properties that differ between
/// worlds.
struct SimulatedTicks {
    static let streamCreated = SimulatedInput.streamCreated

    let packets: [SimulatedPacket]
    let life: SimulatedLife

    init(
        withRepairs: Bool = false, withLife: Bool = false, withQuotes: Bool = false,
        withBooks: Bool = false, withValues: Bool = false, using random: inout SeededRandom
    ) {
        var weather = MarketWeather(
            using: &random, withRepairs: withRepairs, withLife: withLife)
        // Enough for checkpoints, but not more than a world has steps for.
        weather.packets = Int.random(in: 24...36, using: &random)
        if withQuotes { weather.addQuotes() }
        if withBooks { weather.addBooks() }
        if withValues { weather.values = 400 }
        let input = SimulatedInput(weather, using: &random)
        (packets, life) = (input.packets, input.life)
    }
}
