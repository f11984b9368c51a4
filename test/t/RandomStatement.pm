# RandomStatement: what the sessions of the random test say. Each session has its own random numbers.
package RandomStatement;

use strict;
use warnings;

sub schema
{
	return q{
		CREATE TABLE booking (
			id int PRIMARY KEY, class_id int NOT NULL, gym text, day date, status text NOT NULL,
			price_cents int, fee numeric, seats bigint);
		-- an application's trigger that writes the source again, in a block that may fail
		CREATE FUNCTION rebook() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF pg_trigger_depth() = 1 AND NEW.class_id = 3 THEN
				BEGIN
					INSERT INTO booking VALUES (NEW.id + 10000, 4, NEW.gym, NEW.day, 'booked', NEW.price_cents, NEW.fee, 1)
						ON CONFLICT (id) DO NOTHING;
					UPDATE booking SET price_cents = price_cents + 1 WHERE id = NEW.id;
					IF NEW.id % 2 = 0 THEN RAISE EXCEPTION 'on purpose'; END IF;
				EXCEPTION WHEN raise_exception THEN NULL;
				END;
			END IF;
			RETURN NULL;
		END $$;
		-- a function that writes the source in the middle of a statement on it
		CREATE FUNCTION meddle(id int, price int) RETURNS int LANGUAGE plpgsql AS $$
		BEGIN
			DELETE FROM booking b WHERE b.id = -1;	-- ends a statement that changed nothing
			INSERT INTO booking VALUES (id + 30000, id % 5, 'gym 1', NULL, 'booked', price, 0.25, 3)
				ON CONFLICT ON CONSTRAINT booking_pkey DO UPDATE SET price_cents = excluded.price_cents;
			IF id % 3 = 0 THEN RAISE EXCEPTION 'on purpose'; END IF;
			RETURN price;
		EXCEPTION WHEN raise_exception THEN RETURN NULL;
		END $$;
		CREATE TRIGGER rebook AFTER INSERT ON booking FOR EACH ROW EXECUTE FUNCTION rebook();
		INSERT INTO booking SELECT i, i % 5, 'gym ' || i % 3, date '2026-01-01' + i % 4, 'booked', i, i / 4.0, i
			FROM generate_series(1, 200) i;
	};
}

sub rollups
{
	return (
		by_class => 'SELECT class_id, count(*) AS attendance, sum(price_cents) AS revenue FROM booking GROUP BY class_id',
		by_gym => 'SELECT gym, count(*), count(price_cents) AS priced, avg(price_cents), sum(seats) FROM booking GROUP BY gym',
		by_gym_day => 'SELECT gym, day, sum(fee), avg(fee), count(fee) FROM booking GROUP BY gym, day',
		total => 'SELECT count(*), sum(seats) AS seats, avg(seats), sum(fee) AS fees, avg(fee) AS fee FROM booking',
		booked => q{SELECT class_id, count(*), sum(price_cents), avg(fee) FROM booking WHERE status = 'booked' GROUP BY class_id},
		picked => q{SELECT gym, count(*) FILTER (WHERE status = 'cancelled') AS cancelled, sum(seats) / 2 AS half, count(*) + 1 AS more
			FROM booking GROUP BY gym HAVING count(*) > 20},
		parity => 'SELECT class_id % 2 AS parity, sum(price_cents * 2), avg(fee * 1.5) FROM booking WHERE price_cents > 100 GROUP BY class_id % 2',
	);
}

# Kinds that a run of some length must have seen succeed.
sub kinds
{
	return ('begin', 'commit', 'rollback', 'savepoint', 'rollback to', 'release', 'prepare', 'commit prepared', 'rollback prepared',
		qw(insert upsert copy update delete merge block chain nested truncate oracle));
}

sub below	# a number from 0 to n - 1
{
	my ($session, $n) = @_;
	$session->{random} = ($session->{random} * 1103515245 + 12345) & 0x7fffffff;
	return ($session->{random} >> 8) % $n;
}

sub pick { my ($session, @of) = @_; return $of[ below($session, scalar @of) ]; }

sub id { return 1 + below($_[0], 400) }
sub fresh { return below($_[0], 5) ? 401 + below($_[0], 8000) : id($_[0]) }	# mostly no row has it
sub class { return below($_[0], 5) }
sub gym { return pick($_[0], 'gym 0', 'gym 1', 'gym 2', undef) }
sub day { my $n = below($_[0], 5); return $n ? "2026-01-0$n" : undef }
sub status { return pick($_[0], qw(booked booked cancelled)) }
sub price { my ($s) = @_; return below($s, 6) ? below($s, 400) - 50 : undef }
sub seats { my ($s) = @_; return below($s, 30) ? below($s, 10) : pick($s, undef, '9223372036854775807', '-9223372036854775808') }

sub fee
{
	my ($s) = @_;
	return pick($s, qw(NaN Infinity -Infinity)) unless below($s, 60);
	return pick($s, undef, '0', '0.000', '1', '1.0', '1.00', '2.5', '-2.50', '0.0001', '-17.125', '12345678901234567890.123456789', '1e30',
		'-1e30', '99999');
}

sub quoted { my ($value) = @_; return defined $value ? "'$value'" : 'NULL' }
sub row { my ($s, $id) = @_; return ($id, class($s), gym($s), day($s), status($s), price($s), fee($s), seats($s)) }
sub values_of { my ($s, @ids) = @_; return join ', ', map { '(' . join(', ', map { quoted($_) } row($s, $_)) . ')' } @ids }

# Ids in order, so that statements meet each other's rows in one order.
sub ids { my ($s, $max) = @_; my %ids = map { id($s) => 1 } 0 .. below($s, $max); return sort { $a <=> $b } keys %ids }
sub fresh_ids { my ($s, $max) = @_; my %ids = map { fresh($s) => 1 } 0 .. below($s, $max); return sort { $a <=> $b } keys %ids }

sub assignment
{
	my ($s) = @_;
	my %set = (class_id => \&class, gym => \&gym, day => \&day, status => \&status, price_cents => \&price, fee => \&fee, seats => \&seats);
	my %chosen = map { $_ => 1 } map { pick($s, sort keys %set) } 0 .. below($s, 3);
	return join ', ', map { "$_ = " . quoted($set{$_}->($s)) } sort keys %chosen;
}

sub condition
{
	my ($s) = @_;
	my $low = id($s);
	return pick($s, 'id = ' . id($s), "id BETWEEN $low AND " . ($low + below($s, 12)), 'id IN (' . join(', ', ids($s, 4)) . ')',
		"id BETWEEN $low AND " . ($low + 30) . ' AND class_id = ' . class($s),
		'id BETWEEN ' . 20 * $low . ' AND ' . (20 * $low + 300), 'id = -1');
}

my $typed = 'v(id, class_id, gym, day, status, price_cents, fee, seats)';
my $casts = 'v.id::int, v.class_id::int, v.gym, v.day::date, v.status, v.price_cents::int, v.fee::numeric, v.seats::bigint';

my %make = (
	insert => sub { my ($s) = @_; return 'INSERT INTO booking VALUES ' . values_of($s, fresh_ids($s, 4)) },
	upsert => sub {
		my ($s) = @_;
		return 'INSERT INTO booking VALUES ' . values_of($s, ids($s, 5)) . ' ON CONFLICT (id) DO '
		  . pick($s, 'NOTHING', 'UPDATE SET ' . assignment($s),
			'UPDATE SET price_cents = excluded.price_cents, class_id = excluded.class_id WHERE booking.status <> excluded.status');
	},
	copy => sub {
		my ($s) = @_;
		return [ 'COPY booking FROM STDIN', map { join "\t", map { $_ // '\N' } row($s, $_) } fresh_ids($s, 4) ];
	},
	update => sub { my ($s) = @_; return 'UPDATE booking SET ' . assignment($s) . ' WHERE ' . condition($s) },
	delete => sub { my ($s) = @_; return 'DELETE FROM booking WHERE ' . condition($s) },
	merge => sub {
		my ($s) = @_;
		return 'MERGE INTO booking b USING (VALUES ' . values_of($s, ids($s, 5)) . ") $typed ON b.id = v.id::int "
		  . 'WHEN MATCHED AND b.class_id = ' . class($s) . ' THEN DELETE '
		  . 'WHEN MATCHED THEN UPDATE SET gym = v.gym, fee = v.fee::numeric, price_cents = b.price_cents + 1 '
		  . "WHEN NOT MATCHED THEN INSERT VALUES ($casts)";
	},
	# several statements in one, on rows of their own
	chain => sub {
		my ($s) = @_;
		my ($low, $high) = (1 + below($s, 190), 201 + below($s, 190));
		return "WITH gone AS (DELETE FROM booking WHERE id BETWEEN $low AND $low + 3 RETURNING *), "
		  . "changed AS (UPDATE booking SET " . assignment($s) . " WHERE id BETWEEN $high AND $high + 3 RETURNING id) "
		  . 'INSERT INTO booking SELECT id + 20000, class_id, gym, day, status, price_cents, fee, seats FROM gone '
		  . 'ON CONFLICT (id) DO NOTHING';
	},
	nested => sub {
		my ($s) = @_;
		my ($low, $class) = (1 + below($s, 400), class($s));
		return pick($s, "INSERT INTO booking SELECT i, $class, 'gym 2', NULL, 'booked', meddle(i, 50), 0.5, 1 "
			  . "FROM generate_series($low, $low + 5) i ON CONFLICT DO NOTHING",
			"UPDATE booking SET price_cents = meddle(id, price_cents), class_id = $class WHERE id BETWEEN $low AND $low + 9");
	},
	truncate => sub { return 'TRUNCATE booking' });

$make{block} = sub {
	my ($s) = @_;
	my @part = map { $make{ pick($s, qw(insert upsert update delete merge)) }->($s) } 1 .. 4;
	my $raise = pick($s, "RAISE EXCEPTION 'on purpose';", 'NULL;');
	return "DO \$do\$ BEGIN $part[0]; BEGIN $part[1]; BEGIN $part[2]; $raise EXCEPTION WHEN raise_exception THEN NULL; END; "
	  . pick($s, "RAISE EXCEPTION 'on purpose';", 'NULL;') . " EXCEPTION WHEN raise_exception OR unique_violation THEN NULL; END; $part[3]; END \$do\$";
};

sub ending
{
	my ($s) = @_;
	return ('rollback', 'ROLLBACK') if $s->{failed} || !below($s, 4);
	return ('commit', 'COMMIT');
}

my $names = 0;

# What a session says next: a kind and the SQL (for COPY, the command and its rows).
sub next_statement
{
	my ($s, $oracle, $prepared) = @_;
	my $dice = below($s, 100);

	if ($s->{failed})
	{
		return ('rollback to', "ROLLBACK TO $s->{savepoints}[-1]") if @{ $s->{savepoints} } && $dice < 70;
		return ('rollback', 'ROLLBACK');
	}
	if (!$s->{open})
	{
		if (@$prepared && $dice < (@$prepared > 4 ? 60 : 10))
		{
			my $name = splice @$prepared, below($s, scalar @$prepared), 1;
			return below($s, 2) ? ('commit prepared', "COMMIT PREPARED '$name'") : ('rollback prepared', "ROLLBACK PREPARED '$name'");
		}
		if ($dice < 70)
		{
			$s->{level} = pick($s, 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
			return ('begin', "BEGIN ISOLATION LEVEL $s->{level}");
		}
		$s->{level} = 'READ COMMITTED';
	}
	else
	{
		if ($dice < 12) { return ending($s) }
		if ($dice < 14 && !$s->{truncated} && @$prepared < 8) { $names++; return ('prepare', "PREPARE TRANSACTION 'p$names'") }
		if ($dice < 24) { my $name = 's' . scalar @{ $s->{savepoints} }; return ('savepoint', "SAVEPOINT $name") }
		if ($dice < 34 && @{ $s->{savepoints} })
		{
			my $name = pick($s, @{ $s->{savepoints} });
			return below($s, 3) ? ('rollback to', "ROLLBACK TO $name") : ('release', "RELEASE $name");
		}
	}
	$dice = below($s, 400);
	return ('truncate', $make{truncate}->($s)) if $dice < 3 && !@$prepared;
	return ('oracle', $oracle) if $dice < 60;
	my $kind = pick($s, qw(insert insert upsert upsert copy update update update delete merge block chain nested));
	return ($kind, $make{$kind}->($s));
}

# Keep the session's idea of its transaction.
sub done
{
	my ($s, $busy, $ok, $prepared) = @_;
	my ($kind, $sql) = @$busy{qw(kind sql)};
	my ($name) = ref $sql ? () : $sql =~ /(\w+)'?$/;
	my $points = $s->{savepoints};

	if ($kind eq 'begin') { $s->{open} = $ok }
	elsif ($kind =~ /^(commit|rollback|prepare)$/)
	{
		push @$prepared, $name if $kind eq 'prepare' && $ok;
		@$s{qw(open failed savepoints)} = (0, 0, []);
	}
	elsif (!$ok) { $s->{failed} = $s->{open}; push @$prepared, $name if $kind =~ / prepared$/ }
	elsif ($kind eq 'savepoint') { push @$points, $name }
	elsif ($kind eq 'rollback to') { $s->{failed} = 0; pop @$points while $points->[-1] ne $name }
	elsif ($kind eq 'release') { pop @$points while $points->[-1] ne $name; pop @$points }
}

1;
