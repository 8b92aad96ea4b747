/// How often sources came and went in a market, so that no test of it is empty.
package struct SimulatedLife: Sendable {
    package var silences = 0
    package var retirements = 0
    package var returns = 0
    /// Requests of repairs while the source of their symbol is silent or retired, and after it came
    /// back.
    package var repairsOfSilent = 0
    package var repairsOfRetired = 0
    package var repairsOfReturned = 0

    package init() {}

    package static func += (all: inout SimulatedLife, one: SimulatedLife) {
        all.silences += one.silences
        all.retirements += one.retirements
        all.returns += one.returns
        all.repairsOfSilent += one.repairsOfSilent
        all.repairsOfRetired += one.repairsOfRetired
        all.repairsOfReturned += one.repairsOfReturned
    }
}
