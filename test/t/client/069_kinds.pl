# gymstream tail and watch with the kinds of topics and notifications: keys, channels by key, none, topics of no table.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use JSON::PP qw(decode_json);
use Test::More;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('kinds', 'fsync = off');
my $database = $node->connstr('postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Topics that listeners have joined: as many as there are channels.
sub tail
{
	my $run = spawn_client('tail', '-d', $database, @_);
	ok(wait_until(sub { pump($run); sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gymstream' AND state = 'idle'
		AND query NOT LIKE '%before LISTEN%' AND query LIKE '%pg_listening_channels%'}) > 0 }), "it listens: @_");
	return $run;
}

# What it has printed when it ends: a line an event, with some members.
sub printed
{
	my ($run, @members) = @_;
	my $status = stop_client($run);
	is($status, 0, 'it ends when it has printed enough');
	return join "\n", map { my $e = decode_json($_); join ' ', map { ref $e->{$_} ? JSON::PP->new->canonical->encode($e->{$_}) : $e->{$_} // '-' } @members }
		split /\n/, $run->{out};
}

sql(q{SELECT gymstream.create_event_topic('mail', notify => 'row'); SELECT gymstream.create_event_topic('news', notify => 'key', channel_by => '{key}');
	CREATE TABLE booking (id int PRIMARY KEY, class_id int, price numeric); SELECT gymstream.create_topic('booking', notify => 'key');
	CREATE TABLE silent (id int PRIMARY KEY); SELECT gymstream.create_topic('silent', notify => 'none');
	SELECT gymstream.create_rollup('per_class', 'SELECT class_id, count(*) AS bookings FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('per_class', notify => 'key');
	ALTER TABLE booking REPLICA IDENTITY FULL;
	CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1, 2);
	SELECT gymstream.create_topic('parted', notify => 'row')});

# what cannot be heard is said at once
for my $case (
	[ [ 'news' ], '"news" has a channel for each value of key', 'Name a value with' ],
	[ [ '--key', 'other=1', 'news' ], '"news" has a channel for each value of key', 'Name a value with' ],
	[ [ 'silent' ], 'no notifications are sent of "silent"', 'gymstream.alter_topic' ],
	[ [ '--allow-missing', 'booking' ], 'option "--allow-missing" needs "--slot"', '--help' ],
	[ [ '--key', 'id', 'booking' ], 'invalid value "id"', '--help' ])
{
	my ($arguments, @messages) = @$case;
	my ($status, $out, $err) = client('tail', '-d', $database, @$arguments);

	isnt($status, 0, "refused: @$arguments");
	like($err, qr/\Q$_\E/, 'with what to do') for @messages;
}
my ($status, $out, $err) = client('watch', '-d', $database, 'mail');
like($err, qr/"mail" is not a rollup/, 'watch shows rollups');

# a topic of no table
my $run = tail('--count', 2, 'mail');
sql(q{INSERT INTO mail VALUES ('anna', '1'), ('bob', '2')});
is(printed($run, qw(topic action new)), qq(public.mail event {"headers":null,"key":"anna","value":1}\npublic.mail event {"headers":null,"key":"bob","value":2}), 'events are shown');
unlike($run->{err}, qr/may be missing/, 'and are no reason to read anew');

# filters: on what notifications say
$run = tail('--count', 2, '--key', 'key=anna', 'mail');
sql(q{INSERT INTO mail VALUES ('bob', '1'), ('anna', '2'), (NULL, '3'), ('anna', '4')});
is(printed($run, 'new'), qq({"headers":null,"key":"anna","value":2}\n{"headers":null,"key":"anna","value":4}), 'of rows');
$run = tail('--count', 4, '--key', 'id=7', 'booking');
sql(q{INSERT INTO booking VALUES (1, 1), (7, 1); UPDATE booking SET id = 8 WHERE id = 7; UPDATE booking SET id = 7 WHERE id = 1; TRUNCATE booking});
is(printed($run, qw(action key old_key)), join("\n", 'insert {"id":7} -', 'update {"id":8} {"id":7}', 'update {"id":7} {"id":1}', 'truncate - -'), 'of keys, before and now');
$run = tail('--count', 1, '--key', 'class_id=1', 'booking');
sql(q{INSERT INTO booking VALUES (1, 2)});
is(printed($run, qw(action key)), 'insert {"id":1}', 'what does not say the value is shown');
like($run->{err}, qr/do not always say the values of "--key"/, 'which is said');

# channels by key: the server chooses
$run = tail('--count', 2, '--key', 'key=anna', 'news');
sql(q{INSERT INTO news VALUES ('bob', '1'), ('anna', '2'), ('anna', '3')});
is(printed($run, 'key'), qq({"key":"anna"}\n{"key":"anna"}), 'events of its key');
sql(q{SELECT gymstream.create_topic('booking', notify => 'key', channel_by => '{price}')});
$run = tail('--count', 2, '--key', 'price=12.50', 'booking');
sql(q{INSERT INTO booking VALUES (2, 1, 12.5), (3, 1, 13); TRUNCATE booking});
is(printed($run, qw(action key)), qq(insert {"id":2}\ntruncate -), 'an equal value is the same key; and what is of all keys');
$run = tail('--count', 1, '--key', 'price=1', 'booking');
sql(q{SELECT gymstream.drop_topic('booking')});
is(printed($run, 'action'), 'dropped', 'it hears that its topic is gone');

# partitions under their root's name; a part that is emptied
$run = tail('--count', 2, 'parted');
sql(q{INSERT INTO parted VALUES (1); TRUNCATE parted_1});
is(printed($run, qw(topic action)), "public.parted insert\npublic.parted changed", 'a partitioned table');
like($run->{err}, qr/changes of public\.parted may be missing: changed/, 'must be read anew');

# watch reads what keys do not say
my $watch = spawn_client('watch', '-d', $database, 'per_class');
shows($watch, 'out', qr/per_class/, 'watch starts');
sql(q{INSERT INTO booking VALUES (1, 7)});
shows($watch, 'out', qr/read again, 1 row/, 'and shows a group of which it has heard the key alone');
stop_client($watch, 'TERM');

$node->stop;
done_testing();
