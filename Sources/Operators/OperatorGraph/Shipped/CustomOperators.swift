extension TickOperators {
    /// The custom operators of the product, each in a file beside this one; graphs use them by
    /// these names. Another program can register more.
    public static var ofThisProgram: TickOperators {
        var operators = TickOperators()
        operators.register(JumpGuard.name, JumpGuard.self)
        return operators
    }
}
