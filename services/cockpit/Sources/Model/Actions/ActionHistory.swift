import Primitives

/// What the database knows of the last actions: of each one both records.
struct ActionHistory: Equatable, Sendable {
    /// The most records that are read, two for each action.
    static let recordsMax = 512
    /// Older ones are in the database alone.
    static let daysMax = 30

    struct Action: Equatable, Sendable {
        let number: String
        /// Of its first record that is known.
        var time: Timestamp
        let person: String
        let origin: String
        let command: String
        let reason: String
        /// `asked`: no outcome is known.
        var stage: String
        var outcome: String
    }

    /// The newest first.
    private(set) var actions: [Action] = []

    /// Takes the records of actions, the newest first.
    init(_ records: [Action] = []) {
        var places: [String: Int] = [:]
        for record in records {
            guard let place = places[record.number] else {
                places[record.number] = actions.count
                actions.append(record)
                continue
            }
            actions[place].time = min(actions[place].time, record.time)
            // The first record may be the later one in a row of the same time.
            if record.stage != "asked" {
                actions[place].stage = record.stage
                actions[place].outcome = record.outcome
            }
        }
    }
}
