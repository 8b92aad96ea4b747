import PostgresClient

/// A store into which rows are copied.
protocol FillWriting {
    /// Keeps other fillings of the store away until `end`. Throws when there is one, or when the
    /// store cannot name what it lacks.
    func begin() throws
    func end() throws
    /// Notes the series of the other store's bars, as JSON.
    func note(series: String) throws
    /// Stores the rows of a step and accounts for its ordinals, so that each record is one row
    /// however often it is repeated. Returns what became of the ordinals.
    func store(
        _ step: FillPlan.Stretch, _ all: [FillRows], _ times: (stretches: String, replayed: String)
    ) throws -> FillOutcome
}
