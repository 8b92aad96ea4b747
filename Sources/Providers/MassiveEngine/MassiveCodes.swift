/// The service's numbers of exchanges and of sale conditions, as the letters of the tapes. With
/// these letters tables of conditions and queries are the same for each vendor of US stocks.
///
/// Exchanges are those of `/v3/reference/exchanges` (`participant_id`), conditions those of
/// `/v3/reference/conditions` (`sip_mapping`).
struct MassiveCodes: Sendable {
    /// By the number of the exchange; a blank: there is no letter.
    private let exchanges = Array(" ABCDEIJKMNPTSLVWXYZHU".utf8)

    /// By the number of the condition; `?`: it has no letter, or one that means something else in
    /// the other plan: 4 (bunched trade) has the `B` of an average price, and 6 (CAP election) the
    /// `I` of an odd lot. Both allow everything, as a letter that no table lists.
    private let conditions = Array("@AWE?G?C6X4DTUFMQO56NHPKKO?15RL2Z3S?YI9?????????????V7".utf8)

    /// Returns the letter of an exchange; 0: it has none.
    func exchange(_ number: UInt64) -> UInt8 {
        number > 0 && number < UInt64(exchanges.count) ? exchanges[Int(number)] : 0
    }

    /// Returns the letter of a condition. `tape`: 1 and 2 are of CTA, 3 is of UTP.
    func condition(_ number: UInt64, tape: UInt64) -> UInt8 {
        guard number < UInt64(conditions.count) else { return UInt8(ascii: "?") }
        if number == 2, tape != 3 { return UInt8(ascii: "B") }
        return conditions[Int(number)]
    }
}
