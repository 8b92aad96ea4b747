import PostgresClient
import Primitives

/// The names of one of the tape's enumerations as encoded column values: `gatewayLost` becomes
/// gateway_lost, and a number that this version does not know becomes its digits. Each table is
/// made once per process; a row copies its value.
struct NameTable: Sendable {
    /// The encoded names.
    let fields: CopyFields
    /// By the raw number, the place of its name in `fields`.
    private let places: [CopyFields.Place]

    init<Kind: RawRepresentable>(_ type: Kind.Type) where Kind.RawValue == UInt8 {
        var fields = CopyFields()
        places = (UInt8.min...UInt8.max).map { fields.text(EnumerationName.of(type, $0)) }
        self.fields = fields
    }

    /// The place of a raw number's name.
    subscript(raw: UInt8) -> CopyFields.Place { places[Int(raw)] }
}

extension RowWriter where Self: ~Copyable {
    /// Writes the name of a raw number.
    mutating func name(_ raw: UInt8, of table: NameTable) { shared(table[raw], of: table.fields) }
}
